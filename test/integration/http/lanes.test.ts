import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { withClient } from '../../support/database.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { transports } from './transports.ts'

/** Who send requests with 20 counts each, far more than there are connections, one after the other. */
const COUNTING = 5
const APART_MS = 220
const now = Date.now()
const time = (ms: number) => `"${new Date(ms).toISOString()}"`
const counts = Array.from(
  { length: 20 },
  (_, n) => `a${n}: activity(from: ${time(now)}, to: ${time(now + 60_000)}, bucket: MINUTE) { saves }`,
)

let waymark: TestWaymark
beforeAll(async () => {
  waymark = await startWaymark()
  await mutate(waymark, 'registerUser', { userId: 'alice' })
  await mutate(waymark, 'startSession', { userId: 'alice', sessionId: 'run' })
})
afterAll(() => waymark[Symbol.asyncDispose]())

it.each(Object.entries(transports))(
  'over %s a heartbeat, a start, an end and a read by key are answered while more counts wait than connections are there',
  async (transport, ask) => {
    await withClient(waymark.database.url, async (client) => {
      // Each count waits for it, until its lock timeout; what crawlers ask here does not read it.
      await client.query('BEGIN; LOCK TABLE crawler.checkpoint_revision IN ACCESS EXCLUSIVE MODE')
      let isOver = false
      const counting = Array.from({ length: COUNTING }, async (_, n) => {
        // Not all at once, so that some wait at any time.
        await delay(n * APART_MS)
        while (!isOver) await transports.HTTP(waymark.url, `{ ${counts.join('\n')} }`)
      })
      try {
        const running = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
        await expect
          .poll(async () => (await waymark.database.query(running)).length, { timeout: 10_000 })
          .toBeGreaterThan(1)
        await delay(COUNTING * APART_MS)
        const own = transport.toLowerCase()
        const operations = [
          'mutation { it: heartbeat(input: { sessionId: "run" }) { __typename } }',
          `mutation { it: startSession(input: { userId: "alice", stream: "x/${own}", sessionId: "${own}" }) { __typename } }`,
          `mutation { it: failSession(input: { sessionId: "${own}", errorMessage: "cut off" }) { __typename } }`,
          '{ it: session(sessionId: "run") { __typename } }',
        ]
        for (const operation of operations) {
          const { data, errors } = await ask(waymark.url, operation)
          expect([operation, errors]).toEqual([operation, undefined])
          expect(JSON.stringify(data)).toMatch(/Success|CrawlSession/)
        }
      } finally {
        await client.query('ROLLBACK')
        isOver = true
        await Promise.all(counting)
      }
    })
  },
)
