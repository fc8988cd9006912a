import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClock } from '../support/clock.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { allowedMs, rounds, seconds, tell } from './rounds.ts'

const ROUNDS = rounds(10, 2)
const LEASE_SECONDS = 5
const HOUR = 3600
const LATE_MS = allowedMs(2_000)
/** With what a busy machine may need to ask and answer. */
const LATEST_SECONDS = LEASE_SECONDS + LATE_MS / 1_000 + 1
const SESSION = `query ($id: String!) { session(sessionId: $id) { status heartbeatAt leaseExpiresAt } }`

describe('two replicas whose database’s clock goes back an hour', () => {
  let database: TestDatabase
  let replicas: readonly ServerProcess[]
  beforeAll(async () => {
    database = await createTestDatabase()
    await controlClock(database)
    const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'info' }
    replicas = await Promise.all([startServer(settings), startServer(settings)])
  }, 120_000)
  afterAll(async () => {
    for (const replica of replicas) await replica[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  const client = (place: number) => clientOf(replicas[place % 2]?.url ?? '')

  it(
    `end dead crawlers within lease + ${seconds(LATE_MS)} of real time, and no other (${ROUNDS} rounds)`,
    { timeout: 300_000 },
    async () => {
      const late: number[] = []
      for (let round = 0; round < ROUNDS; round += 1) {
        const start = async (name: string) => {
          const userId = `${name}-${round}`
          await mutate(client(0), 'registerUser', { userId })
          const started = await mutate(client(round), 'startSession', { userId, leaseSeconds: LEASE_SECONDS })
          return { userId, id: started['session'].sessionId as string }
        }
        const [dead, kept] = [await start('dead'), await start('kept')]
        // The last sign of life of one: its crawler is killed. The other goes on, through whichever replica.
        await mutate(client(0), 'heartbeat', { sessionId: dead.id })
        const killedMs = performance.now()
        const beats = new AbortController()
        const beating = (async () => {
          for (let beat = 0; !beats.signal.aborted; beat += 1) {
            expect((await mutate(client(beat), 'heartbeat', { sessionId: kept.id })).__typename).toBe(
              'HeartbeatSuccess',
            )
            await delay(1_000)
          }
        })()
        await delay(400 + 1_900 * Math.random())
        await database.query(`UPDATE crawler.test_clock SET ahead = ahead - ${HOUR} * interval '1 second'`)
        // A crawler that starts just now, and dies.
        const young = await start('young')
        const startedMs = performance.now()
        const endedAfter = async (id: string, sinceMs: number) => {
          while ((await client(0).ask(SESSION, { id })).session.status === 'RUNNING') await delay(50)
          return (performance.now() - sinceMs) / 1000
        }
        const ended = await Promise.all([endedAfter(dead.id, killedMs), endedAfter(young.id, startedMs)])
        for (const each of ended) {
          expect(each).toBeGreaterThan(LEASE_SECONDS - 0.1)
          expect(each).toBeLessThan(LATEST_SECONDS)
        }
        late.push(...ended)
        const { session } = await client(1).ask(SESSION, { id: kept.id })
        expect(session.status).toBe('RUNNING')
        // Clients see the lease on the clock on which they see the heartbeat.
        const shown = (Date.parse(session.leaseExpiresAt) - Date.parse(session.heartbeatAt)) / 1000
        expect(shown).toBeGreaterThan(LEASE_SECONDS - 0.1)
        expect(shown).toBeLessThan(LEASE_SECONDS + 1.1)
        expect((await mutate(client(1), 'startSession', { userId: kept.userId })).code).toBe('STREAM_BUSY')
        expect((await mutate(client(1), 'startSession', { userId: dead.userId })).__typename).toBe(
          'StartSessionSuccess',
        )
        beats.abort()
        await beating
      }
      tell(
        `the clock went back ${ROUNDS} times: dead after ${Math.min(...late).toFixed(1)} to ${Math.max(...late).toFixed(1)} s of a lease of 5 s`,
      )
    },
  )
})
