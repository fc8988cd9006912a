import { describe, expect, it } from 'vitest'
import { followPlan } from '../../../examples/follow-plan.ts'
import type { Plan } from '../../../examples/waymark.ts'
import { setUpCrawls } from '../../support/crawls.ts'

const PAGE_SIZE = 5
/** Newest first. */
const LIST = Array.from({ length: 60 }, (_, place) => String(160 - place))

describe('a full pass that is interrupted', () => {
  const crawls = setUpCrawls()
  const { run, start, startId, save, checkpoint, plan } = crawls

  /** A list of which an incremental crawl sees nothing: its anchors are at the top. */
  async function crawled(): Promise<void> {
    const sessionId = await startId()
    await save({ sessionId, itemId: LIST.at(-1), headItemIds: LIST.slice(0, 5) })
    await run('completeSession', { sessionId })
  }
  /** Crawls by the plan of a session that has begun, up to so many saves. */
  async function crawl(started: Record<string, any>, processed: Set<string>, mostSaves = Infinity) {
    let saves = 0
    return followPlan(started['plan'] as Plan, {
      fetchPage: (token) => {
        const at = token === null ? 0 : Number(token)
        const next = at + PAGE_SIZE < LIST.length ? String(at + PAGE_SIZE) : null
        return Promise.resolve({ ids: LIST.slice(at, at + PAGE_SIZE), next })
      },
      process: (ids) => {
        for (const id of ids) processed.add(id)
        return ids.length
      },
      save: async (sent) => {
        const saved = await save({ ...sent, sessionId: started['session'].sessionId })
        expect(saved.__typename).toBe('SaveCheckpointSuccess')
        saves += 1
        return { stopRequested: saves === mostSaves, isLoop: false }
      },
      skip: () => Promise.resolve(false),
      isStopped: () => mostSaves === 0,
    })
  }

  const interruptions: Record<string, (sessionId: string) => Promise<unknown>> = {
    'a failure': (sessionId) => run('failSession', { sessionId, errorMessage: 'HTTP 503' }),
    'a stop': (sessionId) => run('stopSession', { sessionId }),
    'a lease that runs out': async () => {
      await crawls.clock.advance(31)
      await crawls.reap()
    },
    // The next start takes it over.
    'a takeover': () => Promise.resolve(),
    'a catch-up': async (sessionId) => {
      await run('stopSession', { sessionId })
      const beside = await start({ mode: 'CATCH_UP' })
      // Of a pass without an item there is no head to stop at.
      if (beside.code === undefined) {
        expect(await crawl(beside, new Set())).toBe('END')
        await run('completeSession', { sessionId: beside['session'].sessionId })
      } else expect(beside.code).toBe('CATCH_UP_IMPOSSIBLE')
    },
  }

  it.each([
    ['before its first item', 0],
    ['after two pages each', 2],
  ])('five times, %s, goes to the end and processes every item', { timeout: 120_000 }, async (_when, saves) => {
    await crawled()
    const processed = new Set<string>()
    let started = await start({ mode: 'FULL', leaseSeconds: 30 })
    for (const [what, interrupt] of Object.entries(interruptions)) {
      expect(await crawl(started, processed, saves)).toBe('STOPPED')
      await interrupt(started['session'].sessionId as string)
      started = await start({ takeover: true, leaseSeconds: 30 })
      const hasItem = saves > 0
      expect({ what, plan: started['plan'] }).toMatchObject({
        what,
        plan: { mode: hasItem ? 'RESUME' : 'FULL', untilItemIds: [] },
      })
      expect(await checkpoint()).toMatchObject({ fullPass: true, fullPassHasItem: hasItem, complete: false })
    }
    expect(await crawl(started, processed)).toBe('END')
    await run('completeSession', { sessionId: started['session'].sessionId })
    expect([...processed]).toEqual(LIST)
    expect(await checkpoint()).toMatchObject({ fullPass: false, complete: true, lastItemId: LIST.at(-1) })
    expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: LIST.slice(0, 5) })
  })
})
