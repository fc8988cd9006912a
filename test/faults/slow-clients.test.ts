import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { startServer } from '../support/server-process.ts'
import { longEvents, StallingSubscriber } from '../support/stalling-subscriber.ts'

const SLOW = 200
const EVENTS = 10_000
const BOUND_MIB = 64
const patience = { timeout: 120_000, interval: 50 }
const CURSOR = /"cursor":"([^"]+)"/

// A minute of a whole core and 2 GB through the loopback: by `npm run test:faults`, where nothing else runs beside it.
it.runIf(process.platform === 'linux' && process.env['WAYMARK_FAULTS'] === '1')(
  `${SLOW} subscribers that read nothing cost less than ${BOUND_MIB} MiB over ${EVENTS} events, delay nobody, and go on without a gap`,
  { timeout: 400_000 },
  async () => {
    await using database = await createTestDatabase()
    // So that V8 collects its garbage early, and what is measured is what is held.
    const NODE_OPTIONS = '--max-semi-space-size=2 --max-old-space-size=160'
    await using server = await startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn', NODE_OPTIONS })
    await database.query(`INSERT INTO public."user" (id) VALUES ('alice')`)
    const query = longEvents('sessionStatusChanged(after: $after)', 'cursor')
    const subscribe = (after?: string) => StallingSubscriber.open(server.url, { query, variables: { after } }, CURSOR)
    const told: number[] = []

    /** The most that the server ever has while one who reads is told all the events. */
    async function peakMiB(name: string): Promise<{ peak: number; cursors: readonly string[] }> {
      using reader = await subscribe()
      const from = performance.now()
      await addSessions(database, name, EVENTS)
      let peak = 0
      while (reader.told.length < EVENTS) {
        peak = Math.max(peak, await residentMiB(server.child.pid))
        await delay(50)
      }
      told.push(Math.round(performance.now() - from))
      return { peak, cursors: reader.told }
    }

    // Twice: V8's heap grows with what is delivered, whoever reads it, and is collected when V8 likes.
    await peakMiB('first')
    const alone = await peakMiB('alone')
    const slow = await Promise.all(Array.from({ length: SLOW }, () => subscribe()))
    for (const subscriber of slow) subscriber.stall()
    const beside = await peakMiB('beside')
    const grownMiB = Math.round(beside.peak - alone.peak)
    process.stdout.write(
      `RSS at most ${Math.round(alone.peak)} MiB alone, ${grownMiB} MiB more beside ${SLOW} that read nothing; told in ${told.join(', ')} ms\n`,
    )
    expect(grownMiB).toBeLessThan(BOUND_MIB)

    // What was on its way; and then the rest, by the last cursor, where it was ended meanwhile.
    const [late] = slow
    late?.goOn()
    await expect.poll(() => late?.isClosed === true || late?.told.length === EVENTS, patience).toBe(true)
    const before = (late?.told ?? []).filter((line) => !line.startsWith('{'))
    expect(before.length).toBeGreaterThan(0)
    using resumed = await subscribe(before.at(-1))
    await expect.poll(() => before.length + resumed.told.length, patience).toBe(EVENTS)
    expect([...before, ...resumed.told]).toEqual(beside.cursors)
    for (const subscriber of slow) subscriber.leave()
  },
)

function addSessions(database: TestDatabase, name: string, count: number) {
  return database.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id) SELECT $1 || n, 'alice' FROM generate_series(1, $2::integer) n`,
    [name, count],
  )
}

async function residentMiB(pid = 0): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
