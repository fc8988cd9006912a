import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type CrawlEvent,
  NeedsAttention,
  PageTokenRefused,
  RateLimited,
  Waymark,
} from '../../../clients/typescript/src/index.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { type Item, PagedList } from './paged-list.ts'
import { Recorder } from './recorder.ts'

const stream = 'reddit/saved'
let server: TestWaymark
let users = 0
beforeAll(async () => {
  server = await startWaymark()
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(() => vi.restoreAllMocks())

/** A user, and a client that notes what it sends. */
async function begin(pages: string[][]) {
  users += 1
  const userId = `crawled-${users}`
  await mutate(server, 'registerUser', { userId })
  const recorder = new Recorder()
  const waymark = new Waymark({ url: server.url, fetch: recorder.fetch })
  const list = new PagedList(pages.map((page) => page.map(itemId)))
  const events: CrawlEvent[] = []
  const options = { userId, stream, ...list.options, onEvent: (event: CrawlEvent) => void events.push(event) }
  const checkpoint = () => waymark.checkpointManager(userId, { stream }).getCheckpoint()
  const sessions = async () => {
    const query = `query ($userId: String!) { user(userId: $userId) { sessions(first: 50) {
      nodes { sessionId status mode errorMessage endReason } } } }`
    const { user } = await server.ask(query, { userId })
    return (user.sessions.nodes as Record<string, any>[]).reverse()
  }
  return { userId, recorder, waymark, list, events, options, checkpoint, sessions }
}

const itemId = (name: string) => `t3_${name}`
const ids = (names: string) => names.split(' ').map(itemId)
const pagesOf = (...pages: string[]) => pages.map((page) => (page === '' ? [] : page.split(' ')))
/** Runs a crawl that stops after so many pages. */
async function stopAfter(crawl: Awaited<ReturnType<typeof begin>>, pages: number) {
  const stop = new AbortController()
  const report = await crawl.waymark.crawl({
    ...crawl.options,
    signal: stop.signal,
    process: (items: Item[]) => {
      if (crawl.list.processed.length + 1 === pages) stop.abort()
      return crawl.options.process(items)
    },
  })
  expect(report.outcome).toBe('stopped')
}

describe('1: a page is processed, then saved', () => {
  it('crawls a list to its end, then only what is new', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6 5', '4'))
    const first = await crawl.waymark.crawl(crawl.options)
    expect(first).toMatchObject({ outcome: 'completed', sessions: [{ mode: 'FULL', pages: 3, items: 6, added: 6 }] })
    expect(crawl.list.asked).toEqual([null, 'p1', 'p2'])
    expect(crawl.list.processed).toEqual([ids('9 8 7'), ids('6 5'), ids('4')])
    expect(crawl.recorder.names).toEqual(['StartSession', 'SavePage', 'SavePage', 'SavePage', 'CompleteSession'])
    expect(crawl.events.map(({ type }) => type)).toEqual('started page saved page saved page saved done'.split(' '))
    crawl.list.pages = [ids('b a 9'), ids('8 7'), ids('6 5')]
    const second = await crawl.waymark.crawl(crawl.options)
    expect(second).toMatchObject({ outcome: 'completed', sessions: [{ mode: 'INCREMENTAL', pages: 2 }] })
    expect(crawl.list.processed.slice(3)).toEqual([ids('b a 9')])
    expect(await crawl.checkpoint()).toMatchObject({ complete: true, bookmarksCount: 9 })
  })

  it('repeats the page whose save was lost, and counts it once', async () => {
    const crawl = await begin(pagesOf('5 4', '3 2', '1'))
    crawl.recorder.after = (name, response) => {
      const saves = crawl.recorder.count('SavePage')
      if (name === 'SavePage' && saves === 2) throw new TypeError('the connection was cut')
      return response
    }
    expect(await crawl.waymark.crawl(crawl.options)).toMatchObject({ outcome: 'completed' })
    const [, second, third] = crawl.recorder.of('SavePage')
    expect(third).toEqual(second)
    expect(third?.['idempotencyKey']).toBeTruthy()
    expect(await crawl.checkpoint()).toMatchObject({ bookmarksCount: 5 })
  })

  it('makes at most 15 % more requests than a loop by hand: a start, a save for each page, an end', async () => {
    const pages = Array.from({ length: 20 }, (_, at) => [`a${at}1`, `a${at}2`])
    const crawl = await begin(pages)
    expect((await crawl.waymark.crawl(crawl.options)).outcome).toBe('completed')
    expect(crawl.recorder.sent.length).toBeLessThanOrEqual((pages.length + 2) * 1.15)
  })

  it('saves how many items process says are new', async () => {
    const crawl = await begin(pagesOf('5 4', '3'))
    const report = await crawl.waymark.crawl({ ...crawl.options, process: () => Promise.resolve(1) })
    expect(report.sessions).toMatchObject([{ items: 3, added: 2 }])
    expect(await crawl.checkpoint()).toMatchObject({ bookmarksCount: 2 })
  })
})

describe('2: the lease', () => {
  it('heartbeats in the background while a page takes long, and is not lost', async () => {
    const crawl = await begin(pagesOf('5 4', '3'))
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      leaseSeconds: 5,
      process: async (items: Item[]) => {
        if (crawl.list.processed.length === 0) await vi.waitUntil(() => crawl.recorder.count('Heartbeat') >= 2, 30_000)
        return crawl.options.process(items)
      },
    })
    expect(report).toMatchObject({ outcome: 'completed', sessions: [{ pages: 2 }] })
  })

  it('heartbeats before it processes what it fetched before the computer slept', async () => {
    const crawl = await begin(pagesOf('5 4', '3'))
    const told: string[] = []
    await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: (request) => {
        if (request.pageToken === null) {
          const now = Date.now
          vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000)
        }
        return crawl.options.fetchPage(request)
      },
      process: (items: Item[]) => {
        told.push(crawl.recorder.names.at(-1) ?? '')
        return crawl.options.process(items)
      },
    })
    expect(told[0]).toBe('Heartbeat')
  })

  it('begins a new session after each lease that ran out', async () => {
    const crawl = await begin(pagesOf('5 4', '3', '2'))
    let losses = 0
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: async (request) => {
        const page = await crawl.options.fetchPage(request)
        if (request.pageToken !== null && losses < 2) {
          losses += 1
          await expireLease(crawl.userId)
        }
        return page
      },
    })
    expect(report.outcome).toBe('completed')
    expect(report.sessions.map(({ mode }) => mode)).toEqual(['FULL', 'RESUME', 'RESUME', 'INCREMENTAL'])
    expect(await crawl.checkpoint()).toMatchObject({ bookmarksCount: 4, complete: true })
  })

  it('is lost where another session has the list by then, and fetchPage hears of it at once', async () => {
    const crawl = await begin(pagesOf('5 4', '3', '2'))
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      leaseSeconds: 5,
      fetchPage: async (request) => {
        if (request.pageToken === null) return crawl.options.fetchPage(request)
        await mutate(server, 'startSession', { userId: crawl.userId, stream, takeover: true })
        return new Promise(() => undefined)
      },
    })
    expect(report).toMatchObject({ outcome: 'lost', sessions: [{ mode: 'FULL', pages: 1 }] })
    expect((await crawl.sessions()).map(({ status }) => status)).toEqual(['FAILED', 'RUNNING'])
  })
})

/** What the reaper does when a lease has run out, without the wait. */
async function expireLease(userId: string): Promise<void> {
  await server.database.query(
    `UPDATE crawler.crawl_session SET lease_expires_at = now() - interval '1 minute' WHERE user_id = $1 AND status = 'running'`,
    [userId],
  )
  await vi.waitUntil(async () => {
    const [row] = await server.database.query(
      `SELECT count(*)::int AS running FROM crawler.crawl_session WHERE user_id = $1 AND status = 'running'`,
      [userId],
    )
    return row?.['running'] === 0
  }, 20_000)
}

describe('3: descent, anchors and head', () => {
  it('heartbeats and saves nothing on the way down to the last item', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5 4', '3'))
    await stopAfter(crawl, 3)
    await mutate(server, 'saveCheckpoint', { userId: crawl.userId, stream, itemId: itemId('4') })
    crawl.recorder.sent.length = 0
    crawl.list.asked.length = 0
    const report = await crawl.waymark.crawl(crawl.options)
    expect(report.sessions.map(({ mode }) => mode)).toEqual(['RESUME', 'INCREMENTAL'])
    expect(crawl.list.asked).toEqual([null, 'p1', 'p2', 'p3', null])
    expect(crawl.recorder.names.slice(0, 5)).toEqual('StartSession Heartbeat Heartbeat SavePage SavePage'.split(' '))
    expect(crawl.list.processed.slice(3)).toEqual([ids('3')])
  })

  it('does not take a pinned item or one that was bookmarked again for an anchor, and finds it over two pages', async () => {
    const crawl = await begin(pagesOf('9 8 7 6', '5'))
    await crawl.waymark.crawl(crawl.options)
    crawl.list.pages = [ids('9 b 7 a'), ids('8 c'), ids('d 9 8'), ids('7 6'), ids('5')]
    crawl.recorder.sent.length = 0
    crawl.list.processed.length = 0
    await crawl.waymark.crawl(crawl.options)
    expect(crawl.list.all).toEqual(ids('9 b 7 a 8 c d'))
    // The last item of the third page may begin an anchor, and does: a token would lead below it.
    const saves = crawl.recorder.of('SavePage')
    expect(saves.map(({ pageToken }) => pageToken)).toEqual(['p1', 'p2', null])
  })

  it('sends heads until they hold three, from the first page with items', async () => {
    const crawl = await begin(pagesOf('', '9', '8', '7', '6'))
    await crawl.waymark.crawl(crawl.options)
    expect(crawl.recorder.of('SavePage').map(({ itemId, headItemIds }) => [itemId, headItemIds ?? null])).toEqual([
      [null, null],
      [itemId('9'), ids('9')],
      [itemId('8'), ids('8')],
      [itemId('7'), ids('7')],
      [itemId('6'), null],
    ])
    expect(await crawl.checkpoint()).toMatchObject({ anchorItemIds: ids('9 8 7') })
  })

  it('saves the token alone for an empty page in the middle', async () => {
    const crawl = await begin(pagesOf('9 8', '', '7'))
    await crawl.waymark.crawl(crawl.options)
    expect(crawl.recorder.of('SavePage').map(({ itemId, pageToken }) => [itemId, pageToken])).toEqual([
      [itemId('8'), 'p1'],
      [null, 'p2'],
      [itemId('7'), null],
    ])
  })
})

describe('4: rate limits and pauses', () => {
  it('reports the limit, waits, and fetches the same page again', async () => {
    const crawl = await begin(pagesOf('5 4', '3'))
    let hits = 0
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: (request) => {
        if (request.pageToken === 'p1' && (hits += 1) <= 2) throw new RateLimited(new Date(Date.now() + 200))
        return crawl.options.fetchPage(request)
      },
    })
    expect(report.outcome).toBe('completed')
    expect(crawl.recorder.of('Heartbeat').map(({ rateLimitedUntil }) => Date.parse(rateLimitedUntil) > 0)).toEqual([
      true,
      true,
    ])
    expect(crawl.events.filter(({ type }) => type === 'waiting')).toHaveLength(2)
  })

  it('pauses the list where the wait is too long, without a heartbeat', async () => {
    const crawl = await begin(pagesOf('5 4', '3'))
    const until = new Date(Date.now() + 1_000_000)
    const options = {
      ...crawl.options,
      fetchPage: ({ pageToken }: { pageToken: string | null }) => {
        if (pageToken === 'p1') throw new RateLimited(until)
        return crawl.list.fetchPage(pageToken)
      },
    }
    expect(await crawl.waymark.crawl(options)).toMatchObject({ outcome: 'paused', until, sessions: [{ pages: 1 }] })
    expect(crawl.recorder.names).toEqual(['StartSession', 'SavePage', 'PauseCrawl', 'StopSession'])
    expect(await crawl.waymark.crawl(options)).toMatchObject({ outcome: 'paused', until, sessions: [] })
  })

  it('pauses the list for 399 days where somebody has to do something', async () => {
    const crawl = await begin(pagesOf('5 4'))
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: () => Promise.reject(new NeedsAttention('log in again')),
    })
    expect(report).toMatchObject({ outcome: 'paused', reason: 'log in again' })
    const days = report.outcome === 'paused' ? (report.until.getTime() - Date.now()) / 86_400_000 : 0
    expect(days).toBeCloseTo(399, 1)
    expect(await crawl.sessions()).toMatchObject([{ status: 'FAILED', errorMessage: 'log in again' }])
  })
})

describe('5: refused tokens and loops', () => {
  it('goes down from the top to the last item where the kept token is refused', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5 4', '3'))
    await stopAfter(crawl, 2)
    crawl.list.refused.add('p2')
    crawl.list.asked.length = 0
    const refusals = new Set<string | null>()
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      // Refused once: the same place has a new token by the time it is asked for again.
      fetchPage: ({ pageToken }) => {
        if (pageToken !== 'p2' || refusals.has(pageToken)) crawl.list.refused.clear()
        refusals.add(pageToken)
        return crawl.list.fetchPage(pageToken)
      },
    })
    expect(report.outcome).toBe('completed')
    expect(crawl.list.asked).toEqual(['p2', null, 'p1', 'p2', 'p3', null])
    expect(crawl.list.all).toEqual(ids('9 8 7 6 5 4 3'))
    expect(crawl.events).toContainEqual(expect.objectContaining({ type: 'restartedFromTop', reason: 'TOKEN_REFUSED' }))
  })

  it('fails where a token is refused again in that pass', async () => {
    const crawl = await begin(pagesOf('9 8', '7 6', '5'))
    crawl.list.refused.add('p1')
    await expect(crawl.waymark.crawl(crawl.options)).rejects.toBeInstanceOf(PageTokenRefused)
    expect(crawl.list.asked).toEqual([null, 'p1', null, 'p1'])
    expect(await crawl.sessions()).toMatchObject([
      { status: 'FAILED', errorMessage: 'the platform refused the page token' },
    ])
  })

  it.each([
    ['the same token twice in a row', ['a', 'a'], 2],
    ['tokens that come round', ['a', 'b', 'c', 'a'], 4],
  ])('fails with LOOP on %s', async (_, tokens, pages) => {
    const crawl = await begin([])
    let asked = 0
    const crawled = crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: () => ({ items: [{ id: itemId(`a${asked}`) }], nextToken: tokens[asked++] ?? 'beyond' }),
    })
    await expect(crawled).rejects.toMatchObject({ code: 'LOOP' })
    expect(asked).toBe(pages)
    expect(crawl.list.all).toHaveLength(pages)
    expect((await crawl.sessions())[0]).toMatchObject({
      status: 'FAILED',
      errorMessage: expect.stringMatching(/^LOOP/),
    })
  })
})

describe('6: false ends and removed items', () => {
  it('does not believe an empty end right after a kept token', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5 4', '3'))
    await stopAfter(crawl, 2)
    crawl.list.asked.length = 0
    let isEarly = true
    await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: ({ pageToken }) => {
        const page = crawl.list.fetchPage(pageToken)
        if (!isEarly) return page
        isEarly = false
        return { items: [], nextToken: null }
      },
    })
    expect(crawl.list.asked).toEqual(['p2', null, 'p1', 'p2', 'p3', null])
    expect(crawl.list.all).toEqual(ids('9 8 7 6 5 4 3'))
  })

  it('begins at the top and skips nothing where the last item was removed', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5 4', '3'))
    await stopAfter(crawl, 2)
    crawl.list.refused.add('p2')
    crawl.list.pages = [ids('9 8 7'), [], ids('5 4 3')]
    crawl.list.processed.length = 0
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      fetchPage: ({ pageToken }) => {
        try {
          return crawl.list.fetchPage(pageToken)
        } finally {
          crawl.list.refused.clear()
        }
      },
    })
    expect(report.outcome).toBe('completed')
    expect(crawl.list.all).toEqual(ids('9 8 7 5 4 3'))
    expect(crawl.events).toContainEqual(expect.objectContaining({ reason: 'LAST_ITEM_REMOVED' }))
  })

  it('hands an item that comes again in one session to process once', async () => {
    const crawl = await begin(pagesOf('9 8', '8 7 7', '9 8', '6'))
    await crawl.waymark.crawl(crawl.options)
    expect(crawl.list.processed).toEqual([ids('9 8'), ids('7'), ids('6')])
    expect(crawl.recorder.of('SavePage').map(({ itemId, bookmarksAdded }) => [itemId, bookmarksAdded])).toEqual([
      [itemId('8'), 2],
      [itemId('7'), 1],
      [itemId('8'), 0],
      [itemId('6'), 1],
    ])
  })
})

describe('7: what came on top meanwhile', () => {
  it('crawls AUTO once more after a RESUME, also where it is busy by then', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5'))
    await stopAfter(crawl, 1)
    crawl.list.pages = [ids('a 9 8 7'), ids('6'), ids('5')]
    const report = await crawl.waymark.crawl(crawl.options)
    expect(report).toMatchObject({ outcome: 'completed', sessions: [{ mode: 'RESUME' }, { mode: 'INCREMENTAL' }] })
    expect(crawl.list.all).toEqual(ids('9 8 7 6 5 a'))
    crawl.list.pages = [ids('c b a'), ids('9 8 7')]
    crawl.list.processed.length = 0
    await stopAfter(crawl, 1)
    crawl.recorder.after = async (name, response) => {
      if (name === 'CompleteSession') await mutate(server, 'startSession', { userId: crawl.userId, stream })
      return response
    }
    const busy = await crawl.waymark.crawl(crawl.options)
    expect(busy).toMatchObject({ outcome: 'completed', sessions: [{ mode: 'RESUME' }] })
  })

  it('does not where the stream is ASCENDING', async () => {
    const crawl = await begin(pagesOf('1 2', '3', '4'))
    const ascending = 'mastodon/bookmarks'
    await server.ask(
      `mutation { configureStream(input: { name: "${ascending}", ordering: ASCENDING }) { __typename } }`,
    )
    const options = { ...crawl.options, stream: ascending, id: ({ id }: Item) => id.replace('t3_', '') }
    expect((await crawl.waymark.crawl(options)).sessions.map(({ mode }) => mode)).toEqual(['FULL'])
    crawl.list.pages.push(ids('5'))
    expect((await crawl.waymark.crawl(options)).sessions.map(({ mode }) => mode)).toEqual(['RESUME'])
    expect(crawl.list.all).toEqual(ids('1 2 3 4 5'))
    // The last item is gone: everything comes again, what is below it is not saved, and nothing is missed.
    crawl.list.pages = [ids('1 2'), ids('3 4'), ids('6')]
    expect((await crawl.waymark.crawl(options)).outcome).toBe('completed')
    expect(crawl.list.all).toEqual(ids('1 2 3 4 5 1 2 3 4 6'))
  })

  it('catches up once more after a CATCH_UP that went on below the top', async () => {
    const crawl = await begin(pagesOf('9 8 7', '6', '5'))
    await stopAfter(crawl, 1)
    crawl.list.pages = [ids('d c'), ids('b a'), ids('9 8 7'), ids('6'), ids('5')]
    const stop = new AbortController()
    const catchUp = { ...crawl.options, mode: 'CATCH_UP' as const }
    const process = (items: Item[]) => (stop.abort(), crawl.options.process(items))
    await crawl.waymark.crawl({ ...catchUp, signal: stop.signal, process })
    const report = await crawl.waymark.crawl(catchUp)
    expect(report.sessions.map(({ mode }) => mode)).toEqual(['CATCH_UP', 'CATCH_UP'])
    expect(crawl.list.all).toEqual(ids('9 8 7 d c b a'))
    expect((await crawl.waymark.crawl(catchUp)).sessions).toHaveLength(1)
  })
})

describe('8: stops and losses', () => {
  it('finishes and saves its page where somebody asks it to stop', async () => {
    const crawl = await begin(pagesOf('9 8', '7 6', '5'))
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      process: async (items: Item[], { sessionId }) => {
        await server.ask('mutation ($id: String!) { requestStop(input: { sessionId: $id }) { __typename } }', {
          id: sessionId,
        })
        return crawl.options.process(items)
      },
    })
    expect(report).toMatchObject({ outcome: 'stopped', sessions: [{ pages: 1, items: 2 }] })
    expect(await crawl.sessions()).toMatchObject([{ status: 'STOPPED' }])
    expect(await crawl.checkpoint()).toMatchObject({ lastItemId: itemId('8'), pageToken: 'p1' })
    expect(crawl.events.map(({ type }) => type)).toContain('stopRequested')
  })

  it('finishes and saves its page where its signal aborts, and lets fetchPage go on', async () => {
    const crawl = await begin(pagesOf('9 8', '7 6', '5'))
    const stop = new AbortController()
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      signal: stop.signal,
      fetchPage: async (request) => {
        stop.abort()
        await sleep(20)
        expect(request.signal.aborted).toBe(false)
        return crawl.options.fetchPage(request)
      },
    })
    expect(report).toMatchObject({ outcome: 'stopped', sessions: [{ pages: 1, items: 2 }] })
  })

  it('does not begin where its signal has aborted already', async () => {
    const crawl = await begin(pagesOf('9'))
    const report = await crawl.waymark.crawl({ ...crawl.options, signal: AbortSignal.abort() })
    expect(report).toEqual({ outcome: 'stopped', sessions: [] })
    expect(crawl.recorder.names).toEqual([])
  })

  it.each(['taken over', 'ended by somebody'])('writes nothing more where its session was %s', async (how) => {
    const crawl = await begin(pagesOf('9 8', '7 6', '5'))
    const report = await crawl.waymark.crawl({
      ...crawl.options,
      process: async (items: Item[], { sessionId }) => {
        if (how === 'taken over') await mutate(server, 'startSession', { userId: crawl.userId, stream, takeover: true })
        else await mutate(server, 'stopSession', { sessionId })
        return crawl.options.process(items)
      },
    })
    expect(report).toMatchObject({ outcome: 'lost', sessions: [{ mode: 'FULL', items: 2 }] })
    expect(crawl.recorder.names).toEqual(['StartSession', 'SavePage'])
  })
})

describe('9: errors and outcomes', () => {
  it.each(['fetchPage', 'process'] as const)(
    'fails the session with what %s throws, and throws it again',
    async (name) => {
      const crawl = await begin(pagesOf('9 8'))
      const error = new RangeError('the disk is full')
      const crawled = crawl.waymark.crawl({ ...crawl.options, [name]: () => Promise.reject(error) })
      await expect(crawled).rejects.toBe(error)
      expect(await crawl.sessions()).toMatchObject([{ status: 'FAILED', errorMessage: 'the disk is full' }])
    },
  )

  it('skips a busy list, waits for it, or takes it over', async () => {
    const crawl = await begin(pagesOf('9 8'))
    const { session } = await mutate(server, 'startSession', { userId: crawl.userId, stream, leaseSeconds: 60 })
    const skipped = await crawl.waymark.crawl(crawl.options)
    expect(skipped).toEqual({ outcome: 'busy', retryAt: expect.any(Date) as Date, sessions: [] })
    expect(await crawl.waymark.crawl({ ...crawl.options, busy: { waitMs: 150 } })).toMatchObject({ outcome: 'busy' })
    const waiting = crawl.waymark.crawl({ ...crawl.options, busy: { waitMs: 30_000 } })
    await vi.waitUntil(() => crawl.events.some((event) => event.type === 'waiting' && event.reason === 'BUSY'), 10_000)
    await mutate(server, 'stopSession', { sessionId: session.sessionId })
    expect((await waiting).outcome).toBe('completed')
    await mutate(server, 'startSession', { userId: crawl.userId, stream, leaseSeconds: 60 })
    expect((await crawl.waymark.crawl({ ...crawl.options, busy: 'takeover' })).outcome).toBe('completed')
  })

  it('refuses IDs that are numbers: 64 bits do not fit', async () => {
    const crawl = await begin(pagesOf('9'))
    const crawled = crawl.waymark.crawl({ ...crawl.options, id: () => 1 as unknown as string })
    await expect(crawled).rejects.toThrow('must return a string')
  })
})
