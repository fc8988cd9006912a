import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { startFeed } from '../../../src/events/feed.ts'
import { resetFeed } from '../../../src/events/reset.ts'
import { FeedWatch } from '../../../src/events/watch.ts'
import { createTestDatabase } from '../../support/database.ts'
import { startOwnPostgres } from '../../e2e/own-postgres.ts'
import { openFeed } from './open-feed.ts'

const within = { timeout: 20_000 }
const isLinux = process.platform === 'linux'

it('a feed that is begun anew ends the streams of before with CURSOR_EXPIRED, and goes on itself', async () => {
  await using database = await createTestDatabase()
  await database.query(`INSERT INTO public."user" VALUES ('alice')`)
  await using open = await openFeed(database.url)
  const { feed } = open
  const before = feed.cursor(feed.position())
  const stream = new FeedWatch(feed, feed.position(), (event) => event.sessionId)
  const ended = stream.next().then(
    () => 'an event',
    (error: unknown) => error,
  )
  // As a server did that was ahead of a database that was restored.
  await database.query('UPDATE crawler.feed SET final_up_to = 1000')
  const { generation } = await resetFeed({ databaseUrl: database.url })

  expect(await ended).toMatchObject({ code: 'CURSOR_EXPIRED' })
  await expect(feed.resolve(before)).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' })
  expect(feed.generation).toBe(generation)
  const told = open.follow()
  await database.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('after', 'alice', now())`,
  )
  await expect.poll(() => told.map((event) => event.sessionId), within).toEqual(['after'])
})

describe.runIf(isLinux)('while the database is frozen', () => {
  it('the feed closes all the same, also where it was about to listen', async () => {
    await using postgres = await startOwnPostgres()
    await migrate({ databaseUrl: postgres.url })
    const log = pino({ level: 'silent' })
    const database = openDatabase({
      url: postgres.url,
      poolSize: 2,
      connectTimeoutMs: 1_000,
      statementTimeoutMs: 1_000,
      log,
    })
    const listening = await startFeed(database, log)
    await expect.poll(() => keepAliveTimers(postgres.url), within).not.toEqual([])
    // In hundredths of a second: LISTEN's link is probed soon, and not after the system's two hours.
    expect(Math.max(...(await keepAliveTimers(postgres.url)))).toBeLessThanOrEqual(1_100)
    const starting = await startFeed(database, log)
    await postgres.freeze()
    await starting.close()
    await listening.close()
    expect([listening.closed, starting.closed]).toEqual([true, true])
    await postgres.thaw()
    await database.close()
  }, 60_000)
})

/** How long until each idle connection of this machine to the server's port is probed. */
async function keepAliveTimers(url: string): Promise<number[]> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')
  const sockets = (await readFile('/proc/self/net/tcp', 'utf8')).trim().split('\n').slice(1)
  return sockets.flatMap((line) => {
    const [, , remote = '', state, , timer = ''] = line.trim().split(/\s+/)
    const [kind, when = ''] = timer.split(':')
    return remote.endsWith(`:${port}`) && state === '01' && kind === '02' ? [Number.parseInt(when, 16)] : []
  })
}
