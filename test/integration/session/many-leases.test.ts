import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

const LEASES = 3_000
const LEASE_SECONDS = 3_600
/** More than the test takes. */
const MARGIN_SECONDS = 600

describe('a reaper of 3,000 live leases', () => {
  let database: TestDatabase
  let clock: { advance: (seconds: number) => Promise<void> }
  beforeAll(async () => {
    database = await createTestDatabase()
    clock = await controlClock(database)
    await database.query(`INSERT INTO public."user" (id) VALUES ('ada')`)
    await start(1, LEASES / 2)
    await database.query('ANALYZE')
  }, 60_000)
  afterAll(() => database[Symbol.asyncDispose]())

  /** They end one after the other, in two hours. */
  const start = (first: number, last: number) =>
    database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, stream, epoch, lease_seconds, lease_expires_at, position_moved_at)
      SELECT 'lease-' || n, 'ada', 'twitter/list-' || n, 1, $3, crawler.clock() + (7200 + n % 60) * interval '1 second', 'infinity'
      FROM generate_series($1::integer, $2::integer) n`,
      [first, last, LEASE_SECONDS],
    )
  const count = async (condition: string) =>
    (
      await database.query<{ n: number }>(`SELECT count(*)::integer AS n FROM crawler.crawl_session WHERE ${condition}`)
    )[0]?.n

  /** Runs one look in a transaction of its own. @returns how many rows of each table it wrote, and the pages it read */
  async function look(before = ''): Promise<{ written: Record<string, number>; pages: number; isFull: boolean }> {
    return withClient(database.url, async (client) => {
      await client.query(`BEGIN; ${before}`)
      const { rows: plans } = await client.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT is_full FROM crawler.reaper_tick(NULL, true)',
      )
      const plan = plans[0]?.['QUERY PLAN'][0].Plan
      const { rows } = await client.query<{ relname: string; written: number }>(
        `SELECT relname, (n_tup_ins + n_tup_upd + n_tup_del)::integer AS written FROM pg_stat_xact_user_tables
        WHERE schemaname = 'crawler' AND n_tup_ins + n_tup_upd + n_tup_del > 0`,
      )
      const { rows: ticks } = await client.query<{ is_full: boolean }>(
        'SELECT is_full FROM crawler.reaper_tick(NULL, true)',
      )
      await client.query('COMMIT')
      return {
        written: Object.fromEntries(rows.map((row) => [row.relname, row.written])),
        pages: (plan?.['Shared Hit Blocks'] ?? 0) + (plan?.['Shared Read Blocks'] ?? 0),
        isFull: ticks[0]?.is_full ?? false,
      }
    })
  }

  it('reads in proportion to what is due, not to what lives', async () => {
    await clock.advance(0)
    const half = await look()
    expect(half.written).toEqual({ reaper: 1 })
    await start(LEASES / 2 + 1, LEASES)
    await clock.advance(0)
    const whole = await look()
    expect(whole.written).toEqual({ reaper: 1 })
    expect(whole.pages).toBeLessThan(1.3 * half.pages)
  })

  it('ends an outage with one row: no session is written, and each lives for a whole lease from then', async () => {
    await clock.advance(7_200 - MARGIN_SECONDS)
    const [dead] = await database.query<{ session_id: string }>(
      `UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '1 second' WHERE session_id = 'lease-1' RETURNING session_id`,
    )
    expect(dead).toBeDefined()
    // Nobody looks for a time in which every lease runs out.
    await database.query(`UPDATE crawler.test_clock SET ahead = ahead + interval '${2 * MARGIN_SECONDS} seconds'`)
    const first = await look()
    // The one that was dead before.
    expect(first.written['crawl_session']).toBe(1)
    expect(first.written['lease_look']).toBeLessThanOrEqual(1_001)
    expect(first.written['reaper']).toBeLessThanOrEqual(3)
    expect(await count(`status = 'running'`)).toBe(LEASES - 1)
    const live = `crawler.is_alive(status, epoch, lease_expires_at, lease_seconds, heartbeat_at)`
    expect(await count(live)).toBe(LEASES - 1)
    // A second outage, before anybody has renewed.
    await clock.advance(LEASE_SECONDS - MARGIN_SECONDS)
    await database.query(`UPDATE crawler.test_clock SET ahead = ahead + interval '${2 * MARGIN_SECONDS} seconds'`)
    for (let looks = 0; (await look()).isFull; looks += 1) expect(looks).toBeLessThan(LEASES / 100)
    await clock.advance(LEASE_SECONDS - MARGIN_SECONDS)
    await look()
    expect(await count(live)).toBe(LEASES - 1)
    // From here on all of them are dead, and are ended 50 at a time.
    await clock.advance(MARGIN_SECONDS)
    expect(await count(live)).toBe(0)
    const { written, isFull } = await look()
    expect(isFull).toBe(true)
    expect(written['crawl_session']).toBe(50)
  })

  it('does nothing where another has just looked', async () => {
    await database.query('UPDATE crawler.reaper SET ticked_at = crawler.clock()')
    const [before] = await database.query('SELECT xmin::text, ticked_at FROM crawler.reaper')
    await withClient(database.url, async (holder) => {
      // Not even a lock is asked for.
      await holder.query('BEGIN; SELECT FROM crawler.reaper FOR UPDATE')
      const [tick] = await database.query('SELECT * FROM crawler.reaper_tick(NULL, false)')
      expect(tick).toMatchObject({ reaped: 0, told: 0, is_full: false })
      await holder.query('COMMIT')
    })
    expect((await database.query('SELECT xmin::text, ticked_at FROM crawler.reaper'))[0]).toEqual(before)
  })
})
