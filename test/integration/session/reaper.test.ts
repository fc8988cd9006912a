import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTestDatabase,
  letWritersWait,
  statementsWaitingForLocks,
  type TestDatabase,
  withClient,
} from '../../support/database.ts'
import { type ServerProcess, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const STREAMS = Array.from({ length: 12 }, (_, n) => `twitter/list-${n}`)
const FEWEST_ROUNDS = 5

interface Told {
  session_id: string
  status: string
  end_reason: string | null
  error_message: string | null
  is_ended: boolean
  /** What watchers were told of it after its start. */
  events: string[]
  /** Of completions in the history. */
  completions: number
}

describe('the reaper', () => {
  it('ends a session within its lease and 2 s, in whichever replica', async () => {
    await using waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'a' })
    const { session } = await mutate(waymark, 'startSession', { userId: 'a', leaseSeconds: 5 })
    const status = async () => (await waymark.ask(`{ session(sessionId: "${session.sessionId}") { status } }`)).session
    await expect.poll(status, { timeout: 20_000 }).toEqual({ status: 'FAILED' })
    const [row] = await waymark.database.query<{ late: string }>(
      `SELECT extract(epoch FROM completed_at - started_at) - 5 AS late FROM crawler.crawl_session`,
    )
    expect(Number(row?.late)).toBeGreaterThanOrEqual(0)
    expect(Number(row?.late)).toBeLessThan(2)
  })
})

describe('the reapers of two replicas', () => {
  let database: TestDatabase
  let servers: ServerProcess[]
  let replicas: Pick<TestWaymark, 'ask'>[]
  beforeAll(async () => {
    database = await createTestDatabase()
    await letWritersWait(database)
    const start = () => startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })
    servers = await Promise.all([start(), start()])
    replicas = servers.map(({ url }) => clientOf(url))
    await mutate(replica(0), 'registerUser', { userId: 'ann' })
  })
  afterAll(async () => {
    // A reaper that fails says so, once.
    const complaints = servers.flatMap(({ lines }) => lines.filter((line) => !line.startsWith('Waymark serves')))
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    await database[Symbol.asyncDispose]()
    expect(complaints).toEqual([])
  })

  const replica = (n: number) => replicas[n % replicas.length] ?? expect.fail('no replica')

  /** A session with a save on each stream. @returns their IDs */
  async function startRunning(): Promise<string[]> {
    return Promise.all(
      STREAMS.map(async (stream, n) => {
        const input = { userId: 'ann', stream, leaseSeconds: 3_600, takeover: true }
        const { session } = await mutate(replica(n), 'startSession', input)
        const { sessionId } = session as { sessionId: string }
        const save = { userId: 'ann', stream, sessionId, itemId: '20', bookmarksAdded: 1 }
        expect(await mutate(replica(n), 'saveCheckpoint', save)).toMatchObject({ __typename: 'SaveCheckpointSuccess' })
        return sessionId
      }),
    )
  }

  /** The same, all of which the next reaper that looks will end: the replicas' do twice a second. */
  async function startExpired(): Promise<string[]> {
    const started = await startRunning()
    // Long ago: not even an outage (a machine too busy for a tick) extends it.
    await database.query(
      `UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '1 hour' WHERE session_id = ANY ($1)`,
      [started],
    )
    return started
  }

  async function tellOf(sessionIds: readonly string[]): Promise<Told[]> {
    return database.query<Told>(
      `SELECT s.session_id, s.status, s.end_reason, s.error_message, s.completed_at IS NOT NULL AS is_ended,
        ARRAY(SELECT e.kind || ' ' || e.status FROM crawler.feed_event e
          WHERE e.session_id = s.session_id AND e.kind LIKE 'SESSION_%' AND e.kind <> 'SESSION_STARTED' ORDER BY e.event_id) AS events,
        (SELECT count(*)::integer FROM crawler.checkpoint_revision r
          WHERE r.session_id = s.session_id AND r.source = 'COMPLETE') AS completions
      FROM crawler.crawl_session s WHERE s.session_id = ANY ($1)`,
      [sessionIds],
    )
  }
  const expired = {
    status: 'failed',
    end_reason: 'LEASE_EXPIRED',
    error_message: 'lease expired',
    is_ended: true,
    events: ['SESSION_STATUS_CHANGED failed'],
    completions: 0,
  }

  it('end a session once, and tell of it once, however many look at the same moment', async () => {
    for (let round = 1; round <= FEWEST_ROUNDS; round += 1) {
      const sessionIds = await startExpired()
      // Both replicas look each second; here six more do.
      const reaping = Array.from({ length: 6 }, () =>
        withClient(database.url, async (client) => {
          for (let look = 1; look <= 5; look += 1) await client.query('SELECT crawler.reap()')
        }),
      )
      await Promise.all(reaping)
      await expect
        .poll(() => tellOf(sessionIds), { timeout: 20_000 })
        .toEqual(sessionIds.map(() => expect.objectContaining(expired) as unknown))
    }
  })

  it('end no session that its crawler ends: whichever comes first, there is one end, and it is the truth', async () => {
    const came = new Map<string, number>()
    for (let round = 1; round <= FEWEST_ROUNDS || (came.size < 2 && round < 100); round += 1) {
      const sessionIds = await startExpired()
      const answers = new Map<string, MutationResult>()
      // Each round the crawlers come a little later: a reaper that connects first needs some milliseconds.
      const lateMs = ((round - 1) % 10) * 5
      const completing = sessionIds.map(async (sessionId, n) => {
        await sleep(lateMs)
        answers.set(sessionId, await mutate(replica(n), 'completeSession', { sessionId }))
      })
      await Promise.all([...completing, ...[1, 2].map(() => database.query('SELECT crawler.reap()'))])
      for (const { session_id: sessionId, ...told } of await tellOf(sessionIds)) {
        const answer = answers.get(sessionId) ?? expect.fail('no answer')
        came.set(answer.__typename, (came.get(answer.__typename) ?? 0) + 1)
        if (answer.__typename === 'EndSessionSuccess') {
          expect(told).toEqual({
            status: 'completed',
            end_reason: 'REPORTED',
            error_message: null,
            is_ended: true,
            events: ['SESSION_STATUS_CHANGED completed'],
            completions: 1,
          })
        } else {
          expect(answer).toMatchObject({ code: 'SESSION_CLOSED', session: { sessionId, status: 'FAILED' } })
          expect(told).toEqual(expired)
        }
      }
    }
    expect([...came.keys()].sort(), 'both orders').toEqual(['EndSessionSuccess', 'SessionClosedError'])
  })

  it('and a start over an expired session end that session once', async () => {
    for (let round = 1; round <= FEWEST_ROUNDS; round += 1) {
      const sessionIds = await startExpired()
      const starting = STREAMS.map((stream, n) => mutate(replica(n), 'startSession', { userId: 'ann', stream }))
      const started = Promise.all(starting)
      await Promise.all([started, ...[1, 2].map(() => database.query('SELECT crawler.reap()'))])
      for (const { __typename } of await started) expect(__typename).toBe('StartSessionSuccess')
      for (const told of await tellOf(sessionIds)) expect(told).toMatchObject(expired)
    }
  })

  it('come first where they have the row: the end that waits for it is refused', async () => {
    // Of a lease that runs: else a replica's reaper may come before this one.
    const [sessionId = ''] = await startRunning()
    await withClient(database.url, async (client) => {
      await client.query('BEGIN')
      await client.query(`SELECT crawler.expire_session($1, crawler.clock())`, [sessionId])
      const completing = mutate(replica(0), 'completeSession', { sessionId })
      await statementsWaitingForLocks(client, 1)
      await client.query('COMMIT')
      expect(await completing).toMatchObject({ code: 'SESSION_CLOSED', session: { sessionId, status: 'FAILED' } })
    })
    expect(await tellOf([sessionId])).toMatchObject([expired])
  })
})
