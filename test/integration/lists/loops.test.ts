import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

describe('a crawl whose tokens go round', () => {
  const crawls = setUpCrawls()
  const { startId, run } = crawls
  /** In sets that a busy machine writes in time. */
  const saveAll = async (inputs: Record<string, unknown>[]) => {
    for (let start = 0; start < inputs.length; start += 50) await crawls.saveAll(inputs.slice(start, start + 50))
  }
  const reasonOf = async (sessionId: string) => {
    const { session } = await crawls.waymark.ask(
      'query ($id: String!) { session(sessionId: $id) { stallReason stalled } }',
      { id: sessionId },
    )
    return session.stallReason as string | null
  }
  const pages = (sessionId: string, tokens: readonly string[], itemOf: (page: number) => string | null) =>
    tokens.map((pageToken, page) => ({ sessionId, pageToken, itemId: itemOf(page), bookmarksAdded: 0 }))
  const known = (page: number) => String(1_000 + (page % 7))

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('of %i pages is a LOOP by its 100th save', async (length) => {
    const sessionId = await startId()
    // Tokens that follow each other and are equal count once: a round of one page is a page and a step back.
    const size = Math.max(length, 2)
    const round = Array.from({ length: 100 }, (_, save) => `p${save % size}`)
    await saveAll(pages(sessionId, round, known))
    expect(await reasonOf(sessionId)).toBe('LOOP')
  })

  it('after a long way down is a LOOP within a few rounds', async () => {
    const sessionId = await startId()
    const down = Array.from({ length: 150 }, (_, save) => `p${save}`)
    await saveAll(pages(sessionId, down, (page) => String(9_000 - page)))
    expect(await reasonOf(sessionId)).toBeNull()
    await saveAll(
      pages(
        sessionId,
        Array.from({ length: 400 }, (_, save) => `r${save % 12}`),
        known,
      ),
    )
    expect(await reasonOf(sessionId)).toBe('LOOP')
  })

  it.each([3, 17, 40, 63, 64, 65, 100, 150])(
    'is none where a list of %i pages is begun again from the top once or twice',
    async (length) => {
      const sessionId = await startId()
      const down = Array.from({ length }, (_, page) => `p${page}`)
      await saveAll(pages(sessionId, [...down, ...down, ...down], known))
      expect(await reasonOf(sessionId)).toBeNull()
    },
  )

  it('is none in a full pass over known items', async () => {
    const first = await startId()
    const down = Array.from({ length: 120 }, (_, page) => `p${page}`)
    await saveAll(pages(first, down, (page) => String(9_000 - page)))
    await run('completeSession', { sessionId: first })
    const sessionId = await startId({ mode: 'FULL' })
    await saveAll(pages(sessionId, down, (page) => String(9_000 - page)))
    expect(await reasonOf(sessionId)).toBeNull()
  })

  it('is none where one token is saved again and again', async () => {
    const sessionId = await startId()
    await saveAll(
      pages(
        sessionId,
        Array.from({ length: 90 }, () => 'p1'),
        (page) => String(9_000 - page),
      ),
    )
    expect(await reasonOf(sessionId)).toBeNull()
  })

  it('that answers a new token and no item for ever is a LOOP at its 100th such save, and until it has an item', async () => {
    const sessionId = await startId()
    const fresh = Array.from({ length: 99 }, (_, page) => `p${page}`)
    await saveAll(pages(sessionId, fresh, () => null))
    expect(await reasonOf(sessionId)).toBeNull()
    await saveAll(pages(sessionId, ['p100'], () => null))
    expect(await reasonOf(sessionId)).toBe('LOOP')
    await saveAll(pages(sessionId, ['p101'], () => '9000'))
    expect(await reasonOf(sessionId)).toBeNull()
  })

  it('is forgotten with its session', async () => {
    const first = await startId()
    await saveAll(
      pages(
        first,
        Array.from({ length: 100 }, (_, save) => `p${save % 3}`),
        known,
      ),
    )
    const second = await startId({ takeover: true })
    expect(await reasonOf(first)).toBeNull()
    expect(await reasonOf(second)).toBeNull()
  })

  it('of a catch-up is a LOOP too', async () => {
    const main = await startId()
    await saveAll([{ sessionId: main, itemId: '60', headItemIds: ['90', '80', '70'] }])
    const sessionId = await startId({ mode: 'CATCH_UP', takeover: true })
    await saveAll(
      pages(
        sessionId,
        Array.from({ length: 100 }, (_, save) => `p${save % 5}`),
        known,
      ),
    )
    expect(await reasonOf(sessionId)).toBe('LOOP')
  })
})
