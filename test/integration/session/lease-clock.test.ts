import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const HOUR = 3600

describe('leases, where the database’s clock goes back an hour', () => {
  const crawls = setUpCrawls()
  const sql = <Row extends object = Record<string, any>>(text: string, values: unknown[] = []) =>
    crawls.waymark.database.query<Row>(text, values)
  /** As a restored machine does it: nobody tells the reaper. */
  const stepBack = (seconds: number) =>
    sql(`UPDATE crawler.test_clock SET ahead = ahead - $1 * interval '1 second'`, [seconds])
  const ahead = async () =>
    (await sql('SELECT extract(epoch FROM crawler.lease_offset())::float8 AS s'))[0]?.['s'] as number
  const statusOf = async (sessionId: string) => (await crawls.session(sessionId))['status'] as string
  /** So much real time goes by, in which a reaper looks each second. Real seconds of a busy machine come on top. */
  const pass = async (seconds: number) => {
    await crawls.clock.advance(seconds)
    await sql('SELECT crawler.reap()')
  }

  it('run on: nobody is ended early, the dead in time, and no row is written for it', async () => {
    const [alive, dead] = [
      await crawls.startId({ leaseSeconds: 100 }),
      await crawls.startId({ leaseSeconds: 100, stream: 'reddit/saved' }),
    ]
    await pass(50)
    await crawls.run('heartbeat', { sessionId: alive })
    const rows = () =>
      sql(
        'SELECT session_id, xmin::text, lease_expires_at FROM crawler.crawl_session WHERE session_id = ANY ($1) ORDER BY 1',
        [[alive, dead]],
      )
    const before = await rows()
    const offsetBefore = await ahead()
    await stepBack(HOUR)
    await sql('SELECT crawler.reap()')
    expect(await rows()).toEqual(before)
    expect((await ahead()) - offsetBefore).toBeGreaterThan(HOUR - 2)
    expect((await ahead()) - offsetBefore).toBeLessThan(HOUR + 2)
    await pass(30)
    expect([await statusOf(alive), await statusOf(dead)]).toEqual(['RUNNING', 'RUNNING'])
    await pass(25)
    expect([await statusOf(alive), await statusOf(dead)]).toEqual(['RUNNING', 'FAILED'])
    await pass(50)
    expect(await statusOf(alive)).toBe('FAILED')
  })

  it('are judged as before between the step and the next look of a reaper, and renewed for all of their time', async () => {
    const [owner, dead] = [
      await crawls.startId({ leaseSeconds: 100 }),
      await crawls.startId({ leaseSeconds: 100, stream: 'reddit/saved' }),
    ]
    const other = { userId: crawls.userId, stream: 'twitter/likes' }
    await withClient(crawls.waymark.database.url, async (client) => {
      await client.query('BEGIN; SELECT FROM crawler.reaper FOR UPDATE')
      await stepBack(HOUR)
      expect((await crawls.start()).code).toBe('STREAM_BUSY')
      expect((await crawls.save()).code).toBe('STREAM_BUSY')
      expect((await crawls.run('clearCheckpoint', { userId: crawls.userId })).code).toBe('STREAM_BUSY')
      const list = await crawls.waymark.ask(
        'query ($userId: String!) { sessions(filter: { userId: $userId, stalled: true }) { totalCount } }',
        {
          userId: crawls.userId,
        },
      )
      expect(list.sessions.totalCount).toBe(0)
      // A save, a heartbeat and a start of this moment are given their lease, and a second at the most.
      expect((await crawls.save({ sessionId: owner })).__typename).toBe('SaveCheckpointSuccess')
      const started = await crawls.startId({ ...other, leaseSeconds: 100 })
      await crawls.run('heartbeat', { sessionId: dead })
      for (const sessionId of [owner, dead, started]) {
        const [row] = await sql<{ left: number }>(
          `SELECT extract(epoch FROM lease_expires_at - crawler.lease_clock())::float8 AS left FROM crawler.crawl_session WHERE session_id = $1`,
          [sessionId],
        )
        expect(row?.left).toBeGreaterThanOrEqual(100)
        expect(row?.left).toBeLessThan(101.1)
      }
      await client.query('COMMIT')
    })
    await sql('SELECT crawler.reap()')
    await pass(60)
    await crawls.run('heartbeat', { sessionId: owner })
    await pass(20)
    expect([await statusOf(owner), await statusOf(dead)]).toEqual(['RUNNING', 'RUNNING'])
    await pass(40)
    expect([await statusOf(owner), await statusOf(dead)]).toEqual(['RUNNING', 'FAILED'])
  })

  it('count all steps, and a clock that goes forward ends nobody who lives', async () => {
    const before = await ahead()
    for (const seconds of [HOUR, 86_400 * 3, 30]) {
      await stepBack(seconds)
      await sql('SELECT crawler.reap()')
    }
    const stepped = HOUR + 86_400 * 3 + 30
    expect(Math.abs((await ahead()) - before - stepped)).toBeLessThan(4)
    const sessionId = await crawls.startId({ leaseSeconds: 100 })
    await sql(`UPDATE crawler.test_clock SET ahead = ahead + interval '1 hour'`)
    await sql('SELECT crawler.reap()')
    expect(await statusOf(sessionId)).toBe('RUNNING')
    await pass(80)
    expect(await statusOf(sessionId)).toBe('RUNNING')
    await pass(40)
    expect(await statusOf(sessionId)).toBe('FAILED')
  })

  // Two replicas that tick at the same moment: one of them finds the other at work each time.
  it('are not begun anew by a replica that has looked before, and found another at work each time', async () => {
    await using database = await createTestDatabase()
    await controlClock(database)
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; SELECT FROM crawler.reaper FOR UPDATE')
      const app = await startOn(database.url)
      try {
        await mutate(clientOf(app.url), 'registerUser', { userId: 'ada' })
        await mutate(clientOf(app.url), 'startSession', { userId: 'ada', leaseSeconds: 100 })
        await delay(2_500)
        const lease = () => database.query('SELECT xmin::text, lease_expires_at FROM crawler.crawl_session')
        const before = await lease()
        await database.query(`UPDATE crawler.test_clock SET ahead = ahead - interval '1 hour'`)
        await client.query('COMMIT')
        const isSeen = async () =>
          (await database.query(`SELECT clock_back > interval '59 minutes' AS seen FROM crawler.reaper`))[0]?.[
            'seen'
          ] as unknown
        await expect.poll(isSeen, { timeout: 10_000 }).toBe(true)
        expect(await lease()).toEqual(before)
      } finally {
        await app.close()
      }
    })
  })
})
