import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withClient } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { compareVisits, isFor, type OutboxEvent, readOutbox } from './outbox-ledger.ts'
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts'
import { type Writer, writeByApi, writeBySql } from './restless-writers.ts'
import { type Habits, RoamingSubscriber } from './roaming-subscriber.ts'

const REPLICAS = [0, 1, 2]
const habits: readonly Habits[] = [
  { feed: 'sessionStatusChanged', transport: 'sse' },
  { feed: 'sessionStatusChanged', transport: 'webSocket', leavesAfter: 40 },
  { feed: 'checkpointChanged', transport: 'sse' },
  { feed: 'checkpointChanged', transport: 'webSocket' },
  { feed: 'checkpointChanged', transport: 'sse', leavesAfter: 40 },
  { feed: 'checkpointChanged', transport: 'sse', notesEvery: 7, leavesAfter: 50 },
  { feed: 'checkpointChanged', transport: 'sse', filter: { stream: 'reddit/saved' } },
]

describe('three replicas on one PostgreSQL, under writers that never pause', () => {
  let postgres: OwnPostgres
  const servers: ServerProcess[] = []
  let start: string
  let writers: readonly Writer[] = []
  let subscribers: readonly RoamingSubscriber[] = []

  const urlsOf = REPLICAS.map((replica) => () => servers[replica]?.url ?? '')
  const startReplica = () => startServer({ DATABASE_URL: postgres.url, LOG_LEVEL: 'warn' })
  const query = <Row extends object>(sql: string) =>
    withClient(postgres.url, async (client) => (await client.query<Row>(sql)).rows)

  beforeAll(async () => {
    postgres = await startOwnPostgres()
    // The first one migrates.
    servers.push(await startReplica())
    servers.push(...(await Promise.all([startReplica(), startReplica()])))
    const client = clientOf(servers[0]?.url ?? '')
    const users = ['sql', ...REPLICAS.map((replica) => `api-${replica}`)]
    for (const userId of users) await mutate(client, 'registerUser', { userId })
    start = (await client.ask('{ sessions(first: 1) { feedCursor } }')).sessions.feedCursor
    subscribers = habits.map((habit, index) => new RoamingSubscriber(habit, start, index % REPLICAS.length, urlsOf))
    writers = [
      ...urlsOf.map((urlOf, replica) => writeByApi(urlOf, `api-${replica}`)),
      writeBySql(postgres.url, 'sql', 'sql-a'),
      writeBySql(postgres.url, 'sql', 'sql-b'),
    ]
  }, 120_000)

  afterAll(async () => {
    await Promise.all([...writers, ...subscribers].map((part) => part.stop()))
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    await postgres[Symbol.asyncDispose]()
  })

  /** Until everybody writes again, and each subscriber has been told of what was committed by then. */
  async function settled(): Promise<void> {
    const before = writers.map((writer) => writer.written())
    const idle = () => writers.filter((writer, index) => writer.written() < (before[index] ?? 0) + 2)
    await expect.poll(() => idle().map((writer) => writer.failure()), { timeout: 60_000 }).toEqual([])
    await told(await readOutbox(postgres.url, start))
  }

  /** Until each subscriber has been told the last of these events that are for it. */
  async function told(events: readonly OutboxEvent[]): Promise<void> {
    for (const subscriber of subscribers) {
      const last = events.findLast((event) => isFor(subscriber.habits, event))?.eventId ?? 0n
      await expect.poll(() => subscriber.reached, { timeout: 60_000 }).toBeGreaterThanOrEqual(last)
    }
  }

  async function killReplica(replica: number): Promise<void> {
    const server = servers[replica]
    server?.child.kill('SIGKILL')
    await server?.exited
    servers[replica] = await startReplica()
  }

  async function cutListening(): Promise<void> {
    const cut = () =>
      query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waymark-listen'`)
    let left = REPLICAS.length
    // One that was just started may not listen yet.
    await expect.poll(async () => (left -= (await cut()).length), { timeout: 60_000 }).toBeLessThanOrEqual(0)
  }

  it('tells every subscriber what the outbox holds, event by event, whatever is killed, cut or restarted', async () => {
    const calamities: Record<string, () => Promise<void>> = {
      'kill -9 of the first replica': () => killReplica(0),
      'kill -9 of the second replica': () => killReplica(1),
      'kill -9 of the third replica': () => killReplica(2),
      'the LISTEN connections cut': cutListening,
      'a fast restart of PostgreSQL': () => postgres.stop().then(() => postgres.start()),
      'an immediate restart of PostgreSQL': () => postgres.stopImmediately().then(() => postgres.start()),
    }
    for (const strike of Object.values(calamities)) {
      await strike()
      await settled()
    }
    await Promise.all(writers.map((writer) => writer.stop()))

    const events = await readOutbox(postgres.url, start)
    expect(events.length).toBeGreaterThan(500)
    await told(events)
    await Promise.all(subscribers.map((subscriber) => subscriber.stop()))

    for (const { habits: habit, visits, refusals } of subscribers) {
      expect(refusals, JSON.stringify(habit)).toEqual([])
      const expected = events.filter((event) => isFor(habit, event))
      const retold = compareVisits(visits, expected, start)
      // Where every cursor was noted nothing came twice; elsewhere what came since the last one that was.
      const { notesEvery = 1 } = habit
      expect(retold, JSON.stringify(habit)).toBeLessThanOrEqual((visits.length - 1) * (notesEvery - 1))
      if (notesEvery > 1) expect(retold).toBeGreaterThan(0)
      if (habit.leavesAfter) expect(new Set(visits.map(({ replica }) => replica)).size).toBe(REPLICAS.length)
    }
  }, 240_000)
})
