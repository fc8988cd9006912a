import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { controlClock } from '../support/clock.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { type DueList, schedule } from './scheduler.ts'

const STREAM = 'twitter/bookmarks'
const MINUTE_MS = 60_000
const EVERY_MS = 60 * MINUTE_MS
const TURN_MINUTES = 5
const TURNS = 48
/** Fewer than there are lists that never complete: ordered by completion, these alone would be started. */
const MOST_STARTS = 2

/** By kind of list, what its crawl does. */
const CRAWLS = {
  /** Saves something new each time. */
  busy: async (waymark: TestWaymark, list: DueList, sessionId: string, turn: number) => {
    await mutate(waymark, 'saveCheckpoint', { userId: list.userId, sessionId, itemId: String(20 + turn) })
    await mutate(waymark, 'completeSession', { sessionId })
  },
  /** Saved once, and never has anything new. */
  quiet: async (waymark: TestWaymark, _list: DueList, sessionId: string) => {
    await mutate(waymark, 'completeSession', { sessionId })
  },
  /** Has no item, so it never has a checkpoint. */
  empty: async (waymark: TestWaymark, _list: DueList, sessionId: string) => {
    await mutate(waymark, 'completeSession', { sessionId })
  },
  failing: async (waymark: TestWaymark, _list: DueList, sessionId: string) => {
    await mutate(waymark, 'failSession', { sessionId, errorMessage: 'always' })
  },
  /** Is killed each time: its lease runs out. */
  killed: () => Promise.resolve(),
}
type Kind = keyof typeof CRAWLS
const kindOf = (userId: string) => userId.split('-')[0] as Kind
const names = (kind: Kind, count: number) => Array.from({ length: count }, (_, n) => `${kind}-${n}`)
const HEALTHY = [...names('busy', 4), ...names('quiet', 4), ...names('empty', 3)]
const SICK = [...names('failing', 3), ...names('killed', 1)]
const LATE = 'quiet-late'

let waymark: TestWaymark
let clock: Awaited<ReturnType<typeof controlClock>>

beforeAll(async () => {
  waymark = await startWaymark({}, { tickMs: 3_600_000 })
  clock = await controlClock(waymark.database)
  for (const userId of [...HEALTHY, ...SICK]) await mutate(waymark, 'registerUser', { userId })
  for (const userId of HEALTHY.filter((name) => kindOf(name) === 'quiet')) {
    await mutate(waymark, 'saveCheckpoint', { userId, itemId: '20' })
  }
})
afterAll(() => waymark[Symbol.asyncDispose]())

it('a scheduler over dueLists starves nobody: not the quiet, not those without a checkpoint, not those beside lists that fail', async () => {
  const startedAt = new Map<string, number[]>()
  const begin = Date.now()
  for (let turn = 0; turn < TURNS; turn += 1) {
    if (turn === TURNS / 2) await mutate(waymark, 'registerUser', { userId: LATE })
    const minute = turn * TURN_MINUTES
    const start = async (list: DueList) => {
      const started = await mutate(waymark, 'startSession', {
        userId: list.userId,
        stream: list.stream,
        leaseSeconds: 60,
      })
      if (started.__typename !== 'StartSessionSuccess') return false
      startedAt.set(list.userId, [...(startedAt.get(list.userId) ?? []), minute])
      await CRAWLS[kindOf(list.userId)](waymark, list, started['session'].sessionId as string, turn)
      return true
    }
    await schedule((query, variables) => waymark.ask(query, variables), start, {
      ...{ stream: STREAM, everyMs: EVERY_MS, mostStarts: MOST_STARTS },
      now: begin + minute * MINUTE_MS + (Date.now() - begin),
    })
    await clock.advance(TURN_MINUTES * 60)
    await waymark.database.query('SELECT crawler.reap()')
  }
  const longestWait = (userId: string, from = 0) => {
    const times = [from, ...(startedAt.get(userId) ?? []), TURNS * TURN_MINUTES]
    return Math.max(...times.slice(1).map((time, place) => time - (times[place] ?? 0)))
  }
  // 16 lists and two starts each five minutes: an hour and a round of all of them is the most that a list may wait.
  const bound = 60 + (16 / MOST_STARTS + 1) * TURN_MINUTES
  for (const userId of HEALTHY) expect({ userId, wait: longestWait(userId) <= bound }).toEqual({ userId, wait: true })
  // Lists that fail are tried as often, and no more than others.
  for (const userId of SICK) expect({ userId, wait: longestWait(userId) <= bound }).toEqual({ userId, wait: true })
  expect(longestWait(LATE, (TURNS / 2) * TURN_MINUTES)).toBeLessThanOrEqual(bound)
  expect(startedAt.get(LATE)?.[0]).toBe((TURNS / 2) * TURN_MINUTES)
  const { checkpoints } = await waymark.ask('{ checkpoints(first: 100) { nodes { userId } } }')
  const saved = checkpoints.nodes.map(({ userId }: { userId: string }) => userId) as string[]
  expect(saved.filter((userId) => kindOf(userId) === 'empty')).toEqual([])
}, 120_000)

it('is the one that docs/scheduling.md shows', async () => {
  const [page, source] = await Promise.all(
    ['../../docs/scheduling.md', './scheduler.ts'].map((path) => readFile(new URL(path, import.meta.url), 'utf8')),
  )
  expect(page).toContain(source)
})
