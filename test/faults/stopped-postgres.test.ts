import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startOwnPostgres } from '../e2e/own-postgres.ts'
import { startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { expectEachSavedOnce, KeyedWriters, RETRIABLE } from './keyed-writers.ts'
import { allowedMs, rounds, seconds, spread, tell } from './rounds.ts'

const STOPS = rounds(20, 2)
const REFUSED_IN_MS = allowedMs(2_000)
const SERVING_IN_MS = allowedMs(10_000)
const PROBE = 'mutation ($userId: String!) { registerUser(input: { userId: $userId }) { __typename } }'

it(
  `PostgreSQL stopped with -m immediate costs no save: 503 within ${seconds(REFUSED_IN_MS)}, and all is served again within ${seconds(SERVING_IN_MS)} (${STOPS} times under 16 writers)`,
  { timeout: 900_000 },
  async () => {
    await using postgres = await startOwnPostgres()
    await using server = await startServer({ DATABASE_URL: postgres.url, LOG_LEVEL: 'error' })
    const client = clientOf(server.url)
    for (const userId of KeyedWriters.users()) await mutate(client, 'registerUser', { userId })
    const writers = new KeyedWriters(() => server.url)
    const refusedMs: number[] = []
    const servingMs: number[] = []
    for (let stop = 0; stop < STOPS; stop += 1) {
      await writers.goOn()
      await postgres.stopImmediately()
      for (const query of [PROBE, '{ sessions { totalCount } }', '{ checkpoint(userId: "writer-0") { version } }']) {
        const from = performance.now()
        expect(await client.send(query, { userId: 'probe' })).toMatchObject({
          status: 503,
          errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }],
        })
        refusedMs.push(performance.now() - from)
      }
      await postgres.start()
      const from = performance.now()
      while ((await client.send(PROBE, { userId: 'probe' })).status !== 200) await delay(20)
      servingMs.push(performance.now() - from)
      expect((await fetch(new URL('/ready', server.url))).status).toBe(200)
    }
    await writers.goOn()
    await writers.stop()

    expect(Math.max(...refusedMs)).toBeLessThan(REFUSED_IN_MS)
    expect(Math.max(...servingMs)).toBeLessThan(SERVING_IN_MS)
    await expectEachSavedOnce(postgres.url, writers)
    expect([...writers.failures.keys()].filter((code) => !RETRIABLE.includes(code))).toEqual([])
    expect(writers.slowestMs).toBeLessThan(SERVING_IN_MS)
    tell(
      `fault 2: ${STOPS} immediate stops, ${writers.count} acknowledged saves each stored once; 503: ${spread(refusedMs)}; serving again: ${spread(servingMs)}`,
    )
  },
)
