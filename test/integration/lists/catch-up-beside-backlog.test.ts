import { describe, expect, it } from 'vitest'
import { followPlan, type Page } from '../../../examples/follow-plan.ts'
import type { Plan } from '../../../examples/waymark.ts'
import { setUpCrawls } from '../../support/crawls.ts'

const BACKLOG = 10_000
const PAGE_SIZE = 400
/** Each interruption of the long crawl comes after so many pages of it. */
const PAGES_BETWEEN = 4
const ON_TOP = 900

describe(`a backlog of ${BACKLOG} items that is crawled in parts`, () => {
  const crawls = setUpCrawls()
  /** Newest first. A token is the item that its page follows. */
  let list: string[]
  let fetched: number
  const processed = new Set<string>()

  const addOnTop = (count: number) => {
    const newest = Number(list[0] ?? '1000000')
    const items = Array.from({ length: count }, (_, place) => String(newest + count - place))
    list.unshift(...items)
    return items
  }
  const fetchPage = (token: string | null): Page => {
    fetched += 1
    const start = token === null ? 0 : list.indexOf(token) + 1
    const ids = list.slice(start, start + PAGE_SIZE)
    return { ids, next: start + PAGE_SIZE < list.length ? (ids.at(-1) ?? null) : null }
  }

  /** Runs one session by its plan, which fails after so many saves. */
  async function crawl(mode: string, mostSaves = Infinity): Promise<Plan> {
    const started = await crawls.start({ mode })
    const plan = started['plan'] as Plan
    const sessionId = started['session'].sessionId as string
    let saves = 0
    const outcome = await followPlan(plan, {
      fetchPage: (token) => Promise.resolve(fetchPage(token)),
      process: (ids) => {
        const before = processed.size
        for (const id of ids) processed.add(id)
        return processed.size - before
      },
      save: async (save) => {
        expect(await crawls.save({ ...save, sessionId })).toMatchObject({ __typename: 'SaveCheckpointSuccess' })
        saves += 1
        return { stopRequested: saves === mostSaves, isLoop: false }
      },
      skip: () => Promise.resolve(false),
      isStopped: () => false,
    })
    if (outcome === 'END') await crawls.run('completeSession', { sessionId })
    else await crawls.run('failSession', { sessionId, errorMessage: 'killed' })
    return plan
  }
  const missing = (items: readonly string[]) => items.filter((id) => !processed.has(id))

  it(
    'has what comes on top processed by the next catch-up, and all of it when it ends',
    { timeout: 120_000 },
    async () => {
      list = []
      fetched = 0
      addOnTop(BACKLOG)
      expect(await crawl('AUTO', PAGES_BETWEEN)).toMatchObject({ mode: 'FULL' })
      let catchUps = 0
      do {
        const fresh = addOnTop(ON_TOP)
        fetched = 0
        if (catchUps === 2) {
          // One that is interrupted goes on where it was.
          await crawl('CATCH_UP', 1)
          expect(missing(fresh)).not.toEqual([])
        }
        expect(await crawl('CATCH_UP')).toMatchObject({ mode: 'CATCH_UP' })
        catchUps += 1
        expect(missing(fresh)).toEqual([])
        // Not one page of the backlog: the last of these pages meets the head.
        expect(fetched).toBeLessThanOrEqual(Math.ceil((ON_TOP + 3) / PAGE_SIZE))
        expect(await crawl('AUTO', PAGES_BETWEEN)).toMatchObject({ mode: 'RESUME', untilItemIds: [] })
      } while (!(await crawls.checkpoint())['complete'])
      expect(catchUps).toBeGreaterThan(4)
      expect(missing(list)).toEqual([])
      expect(await crawls.checkpoint()).toMatchObject({ bookmarksCount: list.length, catchUp: null })

      // What is known is not fetched again.
      const last = addOnTop(3)
      fetched = 0
      expect(await crawl('AUTO')).toMatchObject({ mode: 'INCREMENTAL' })
      expect(fetched).toBe(1)
      expect([missing(last), processed.size]).toEqual([[], list.length])
    },
  )
})
