import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { readMigrations } from '../../src/database/migration-files.ts'
import { verifySchema } from '../../src/database/verify.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { clientOf, mutate, startOn } from '../support/waymark.ts'
import { rollbackSql } from './rollback.ts'
import { columnsOf, wholeRows } from './whole-rows.ts'

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

it(
  'migrates a database full of rows from 002 forward, and back, without losing one',
  { timeout: 120_000 },
  async () => {
    await using database = await createTestDatabase('empty')
    const first = await mkdtemp(join(tmpdir(), 'waymark-migrations-'))
    try {
      for (const name of ['001_original_tables', '002_streams']) {
        await cp(join(migrations, name), join(first, name), { recursive: true })
      }
      await migrate({ databaseUrl: database.url, directory: first })
    } finally {
      await rm(first, { recursive: true, force: true })
    }
    await database.query(`
    INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, 2000) n;
    INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count)
      SELECT id, stream, '20', 7 FROM public."user", unnest(ARRAY['twitter/bookmarks', 'reddit/saved']) stream;
    INSERT INTO crawler.crawl_session (session_id, user_id, stream, status, completed_at, output_file_path, error_message, direct_import)
      SELECT id || '-' || n, id, 'reddit/saved', (ARRAY['running', 'completed', 'stopped', 'failed'])[n],
        CASE WHEN n > 1 THEN now() END, CASE WHEN n = 2 THEN 'out.txt' END, CASE WHEN n = 4 THEN 'it rained' END, n = 2
      FROM public."user", generate_series(1, 4) n`)
    const tables = await columnsOf(database)
    const where = { schema_migration: `name <= '002_streams'` }
    const rows = () => wholeRows(database, tables, where)
    const before = await rows()
    expect(before['crawl_session']).toHaveLength(8_000)

    await migrate({ databaseUrl: database.url })
    expect(await rows()).toEqual(before)
    // An adopted checkpoint's first revision is where it stood: by somebody else, and incomplete.
    expect(
      await database.query(
        `SELECT version, source, complete, epoch, count(*)::int FROM crawler.checkpoint_revision GROUP BY 1, 2, 3, 4`,
      ),
    ).toEqual([{ version: 1, source: 'EXTERNAL', complete: false, epoch: 0, count: 4_000 }])

    const later = (await readMigrations()).filter(({ name }) => name > '002_streams').reverse()
    expect(later.length).toBeGreaterThanOrEqual(4)
    for (const { sql } of later) await database.query(rollbackSql(sql))
    expect(await columnsOf(database)).toEqual(tables)
    expect(await rows()).toEqual(before)
    const { applied } = await migrate({ databaseUrl: database.url })
    expect(applied).toEqual(later.map(({ name }) => name).reverse())
    expect(await rows()).toEqual(before)
  },
)

/** By migration, the rows that only a schema with it can hold. */
const NEWER_ROWS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '004_ownership_and_history': { feed_event: `kind LIKE 'CHECKPOINT_%'` },
  '006_resumable_feeds': { feed_event: `kind = 'SESSION_STOP_REQUESTED'` },
}

it(
  'goes back step by step from tables that are all full, keeps what the older schema can hold, and comes forward again',
  { timeout: 120_000 },
  async () => {
    await using database = await createTestDatabase()
    await fill(database)
    const newest = await columnsOf(database)
    const full = await wholeRows(database, newest)
    expect(
      Object.keys(full).filter((table) => full[table]?.length === 0),
      'empty tables show nothing',
    ).toEqual([])

    const later = (await readMigrations()).filter(({ name }) => name > '003_session_feed').reverse()
    for (const { name, sql } of later) {
      const had = await columnsOf(database)
      // What it is left to hold is known once it is there: what it held is read first, each column of it.
      const newer = { ...NEWER_ROWS[name], schema_migration: `name = '${name}'` }
      const kept = Object.fromEntries(Object.entries(newer).map(([table, rows]) => [table, `NOT (${rows})`]))
      const before = await wholeRows(database, had, kept)
      await database.query(rollbackSql(sql))
      const left = await columnsOf(database)
      for (const table of had.keys()) {
        if (left.has(table)) continue
        expect(sql, `only the migration that made ${table} takes it away`).toContain(
          `CREATE TABLE IF NOT EXISTS crawler.${table} `,
        )
      }
      for (const [table, rows] of Object.entries(await wholeRows(database, left))) {
        const columns = left.get(table) ?? []
        const lost = (had.get(table) ?? []).filter((column) => !columns.includes(column))
        for (const column of lost) expect(sql).toContain(`ADD COLUMN IF NOT EXISTS ${column} `)
        const expected = (before[table] ?? []).map((row) => {
          const values = JSON.parse(row) as Record<string, unknown>
          return Object.fromEntries(columns.map((column) => [column, values[column]]))
        })
        const actual = rows.map((row) => JSON.parse(row) as Record<string, unknown>)
        expect(inOneOrder(actual), `${table} after ${name} was taken back`).toEqual(inOneOrder(expected))
      }
    }

    const oldest = await columnsOf(database)
    const where = { schema_migration: `name <= '003_session_feed'` }
    const before = await wholeRows(database, oldest, where)
    expect(before['crawl_session']?.length).toBeGreaterThan(4)
    await migrate({ databaseUrl: database.url })
    expect(await columnsOf(database)).toEqual(newest)
    expect(await wholeRows(database, oldest, where)).toEqual(before)
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([])
    await using app = await serverOn(database)
    expect(await mutate(app, 'startSession', { userId: 'ann', sessionId: 'after' })).toMatchObject({
      __typename: 'StartSessionSuccess',
      checkpoint: { lastItemId: '31' },
    })
  },
)

function inOneOrder(rows: readonly Record<string, unknown>[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

async function serverOn(database: TestDatabase) {
  const app = await startOn(database.url)
  return { ...clientOf(app.url), [Symbol.asyncDispose]: () => app.close() }
}

/** By what the server does, so that each row is one that it makes. */
async function fill(database: TestDatabase): Promise<void> {
  await using app = await serverOn(database)
  const run = (query: string) => app.ask(`mutation { ${query} }`)
  for (const userId of ['ann', 'bob']) {
    await mutate(app, 'registerUser', { userId })
    for (const [stream, endings] of [
      ['twitter/bookmarks', ['completeSession', 'failSession', 'stopSession']],
      ['mastodon/bookmarks', ['stopSession', 'completeSession']],
    ] as const) {
      for (const [n, ending] of endings.entries()) {
        const { session } = await mutate(app, 'startSession', { userId, stream })
        const { sessionId } = session as { sessionId: string }
        for (const page of [0, 1]) {
          const itemId = String(30 + page)
          const head = page === 0 ? ['40', '39'] : undefined
          const save = {
            userId,
            stream,
            sessionId,
            itemId,
            headItemIds: head,
            pageToken: `page ${page}`,
            bookmarksAdded: 3,
          }
          await mutate(app, 'saveCheckpoint', { ...save, idempotencyKey: `${stream} ${n} ${page}` })
        }
        await mutate(app, 'heartbeat', {
          sessionId,
          bookmarksProcessed: 9,
          metrics: { apiRequests: 4, rateLimitHits: 1 },
        })
        await run(`requestStop(input: { sessionId: "${sessionId}" }) { __typename }`)
        await mutate(app, ending, { sessionId, ...(ending === 'failSession' && { errorMessage: 'it rained' }) })
      }
    }
  }
  await mutate(app, 'clearCheckpoint', { userId: 'bob' })
  await run(`rollbackCheckpoint(input: { userId: "bob", stream: "mastodon/bookmarks", toVersion: 1 }) { __typename }`)
  await run(`configureStream(input: { name: "mastodon/bookmarks", ordering: ASCENDING }) { __typename }`)
  await mutate(app, 'startSession', { userId: 'ann', stream: 'reddit/saved', leaseSeconds: 3_600, worker: 'pod-1' })
  // A session that was pruned, one that another program wrote, and a key.
  await database.query(`
    DELETE FROM crawler.crawl_session WHERE session_id = (SELECT min(session_id) FROM crawler.crawl_session WHERE user_id = 'bob');
    INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('foreign', 'ann');
    SELECT crawler.create_api_key('abc', 'test', sha256('x'), ARRAY['read'], ARRAY['ann'], now() + interval '1 day', 'test')`)
}
