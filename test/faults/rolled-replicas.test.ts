import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareVisits, isFor, readOutbox } from '../e2e/outbox-ledger.ts'
import { type Writer, writeByApi, writeBySql } from '../e2e/restless-writers.ts'
import { type Habits, RoamingSubscriber } from '../e2e/roaming-subscriber.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { allowedMs, isFull, rounds, seconds, tell } from './rounds.ts'

const STREAMS = rounds(200, 20)
const ROLLS = rounds(2, 1)
const EXIT_MS = allowedMs(10_000)
const REPLICAS = [0, 1, 2]

/** Every tenth watches all there is; the others one user each, as dashboards do. */
function habitsOf(place: number): Habits {
  const filter = place % 10 < 8 ? { filter: { userId: `api-${place % REPLICAS.length}` } } : {}
  return {
    feed: place % 2 === 0 ? 'sessionStatusChanged' : 'checkpointChanged',
    transport: place % 4 < 2 ? 'sse' : 'webSocket',
    ...filter,
  }
}

describe('three replicas that are rolled one after the other', () => {
  let database: TestDatabase
  const servers: ServerProcess[] = []
  let writers: readonly Writer[] = []
  let subscribers: readonly RoamingSubscriber[] = []
  let start: string

  const urlsOf = REPLICAS.map((replica) => () => servers[replica]?.url ?? '')
  const startReplica = () => startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })

  beforeAll(async () => {
    database = await createTestDatabase()
    servers.push(...(await Promise.all(REPLICAS.map(startReplica))))
    const client = clientOf(servers[0]?.url ?? '')
    for (const userId of ['sql', 'api-0', 'api-1', 'api-2']) await mutate(client, 'registerUser', { userId })
    start = (await client.ask('{ sessions(first: 1) { feedCursor } }')).sessions.feedCursor
    subscribers = Array.from(
      { length: STREAMS },
      (_, place) => new RoamingSubscriber(habitsOf(place), start, place % REPLICAS.length, urlsOf),
    )
    writers = [
      ...urlsOf.map((urlOf, replica) => writeByApi(urlOf, `api-${replica}`)),
      writeBySql(database.url, 'sql', 'sql'),
    ]
  }, 120_000)

  afterAll(async () => {
    await Promise.all([...writers, ...subscribers].map((part) => part.stop()))
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    await database[Symbol.asyncDispose]()
  })

  /** Until each subscriber has been told of all that was written by now. */
  async function caughtUp(): Promise<void> {
    const events = await readOutbox(database.url, start)
    for (const subscriber of subscribers) {
      const last = events.findLast((event) => isFor(subscriber.habits, event))?.eventId ?? 0n
      await expect.poll(() => subscriber.reached, { timeout: 60_000 }).toBeGreaterThanOrEqual(last)
    }
  }

  it(
    `leave no gap in ${STREAMS} streams under live writes, and each ends within ${seconds(EXIT_MS)} of SIGTERM`,
    { timeout: 900_000 },
    async () => {
      const exitMs: number[] = []
      for (const replica of Array.from({ length: ROLLS }, () => REPLICAS).flat()) {
        const before = writers.map((writer) => writer.written())
        await expect
          .poll(() => writers.every((writer, at) => writer.written() > (before[at] ?? 0)), { timeout: 30_000 })
          .toBe(true)
        const from = performance.now()
        servers[replica]?.child.kill('SIGTERM')
        expect(await servers[replica]?.exited).toEqual({ code: 0, signal: null })
        exitMs.push(performance.now() - from)
        servers[replica] = await startReplica()
        await caughtUp()
      }
      await Promise.all(writers.map((writer) => writer.stop()))
      await caughtUp()
      await Promise.all(subscribers.map((subscriber) => subscriber.stop()))

      expect(Math.max(...exitMs)).toBeLessThan(EXIT_MS)
      const events = await readOutbox(database.url, start)
      for (const { habits, visits, refusals } of subscribers) {
        expect(refusals).toEqual([])
        const expected = events.filter((event) => isFor(habits, event))
        // Each noted every cursor, so nothing came twice either.
        expect(compareVisits(visits, expected, start)).toBe(0)
      }
      const moves = subscribers.reduce((sum, { visits }) => sum + visits.length - 1, 0)
      if (isFull) expect(moves).toBeGreaterThanOrEqual(STREAMS)
      tell(
        `fault 9: ${exitMs.length} rolls under ${STREAMS} streams: ${events.length} events, ${moves} streams moved, no gap; slowest exit ${Math.round(Math.max(...exitMs))} ms`,
      )
    },
  )
})
