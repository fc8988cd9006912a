import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { encodeFeedCursor } from '../../../src/events/cursor.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { readFeed } from '../../support/feed-reader.ts'
import { runCommand } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'
import { wholeRows } from './whole-rows.ts'

const packed = await readFile(new URL('../../data/schema-013.sql.gz', import.meta.url))
const schema013 = String(await promisify(gunzip)(packed))

async function databaseAt013(): Promise<TestDatabase> {
  const database = await createTestDatabase('empty')
  await database.query(schema013)
  return database
}

/** By the functions of then: each table has rows. */
const ROWS = `
  INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, 200) n;
  INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count)
    SELECT id, stream, '20', 7 FROM public."user", unnest(ARRAY['twitter/bookmarks', 'reddit/saved']) stream;
  SELECT crawler.start_session(id, 'twitter/likes', 's-' || id, false, false, null, 86400, 'pod', false, null, null) FROM public."user";
  SELECT crawler.save_checkpoints(json_build_array(json_build_object('place', 0, 'user_id', id, 'stream', 'twitter/likes',
    'item_id', '30', 'session_id', 's-' || id, 'head', ARRAY['40', id], 'key', 'k', 'fingerprint', 'f', 'addition', 3)), false) FROM public."user";
  SELECT crawler.end_session('s-' || id, 'completed', 3, null, null, 'test', null) FROM public."user" WHERE id LIKE '%1';
  INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('01890000-0000-7000-8000-000000000000', 'user-2');
  DELETE FROM crawler.crawl_session WHERE session_id = '01890000-0000-7000-8000-000000000000';
  INSERT INTO crawler.item_list (item_ids) VALUES ('{unused}');
  INSERT INTO crawler.stream_setting VALUES ('reddit/saved', 'ascending');
  SELECT crawler.create_api_key('abc', 'test', sha256('x'), ARRAY['read'], ARRAY['ann'], now() + interval '1 day', 'test')`

async function columnsOf(database: TestDatabase) {
  const rows = await database.query<{ name: string; columns: string[] }>(
    `SELECT c.relname AS name, array_agg(a.attname::text) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'crawler'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'schema_migration'
     GROUP BY 1`,
  )
  return new Map(rows.map(({ name, columns }) => [name, columns]))
}

describe('a database at 013, the last migration before they were written anew', () => {
  it('is taken over: the schema is this version’s, and every row is there', async () => {
    await using database = await databaseAt013()
    await database.query(ROWS)
    const columns = await columnsOf(database)
    const kept = { item_list: `item_ids <> '{unused}'` }
    const before = await wholeRows(database, columns, kept)
    expect(Object.keys(before).filter((table) => before[table]?.length === 0)).toEqual([])

    const names = (await readMigrations()).map(({ name }) => name)
    expect(await migrate({ databaseUrl: database.url })).toMatchObject({ applied: names, present: [] })
    expect(await verifySchema({ databaseUrl: database.url })).toEqual({ differences: [], notes: [], diff: '' })
    expect(await wholeRows(database, columns)).toEqual(before)
    expect(
      await database.query(
        `SELECT count(*)::int FROM crawler.item_list l JOIN crawler.crawl_state s ON s.user_id = l.user_id AND l.list_id IN (s.head_list_id, s.anchor_list_id)`,
      ),
    ).toEqual([{ count: 200 }])
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: [], present: names, functions: [] })
  })

  it('goes on: a cursor of before, a key of before, and new events after the old ones', async () => {
    await using database = await databaseAt013()
    await database.query(ROWS)
    const [last] = await database.query<{ generation: string; id: string }>(
      'SELECT generation, max(event_id) AS id FROM crawler.feed, crawler.feed_event GROUP BY 1',
    )
    const cursor = encodeFeedCursor({ generation: last?.generation ?? '', eventId: BigInt(last?.id ?? 0) - 1n })
    const app = await startOn(database.url)
    try {
      const client = clientOf(app.url)
      await mutate(client, 'saveCheckpoint', { userId: 'user-3', stream: 'reddit/saved', itemId: 't3_new' })
      const { told } = await readFeed(app.url, 'checkpointChanged', { after: cursor, filter: { userId: 'user-3' } }, 1)
      expect(told).toMatchObject([{ lastItemId: 't3_new' }])
      const again = {
        place: 0,
        user_id: 'user-3',
        stream: 'twitter/likes',
        item_id: '30',
        session_id: 's-user-3',
        key: 'k',
        fingerprint: 'f',
      }
      const [saved] = await database.query('SELECT outcome, checkpoint FROM crawler.save_checkpoints($1, false)', [
        JSON.stringify([again]),
      ])
      expect(saved).toMatchObject({ outcome: 'SAVED', checkpoint: { bookmarks_count: 3 } })
      const { user } = await client.ask('{ user(userId: "user-3") { checkpoints { stream headItemIds } } }')
      expect(user.checkpoints).toContainEqual({ stream: 'twitter/likes', headItemIds: ['40', 'user-3'] })
    } finally {
      await app.close()
    }
  })

  it('is verified as one that is to be migrated', async () => {
    await using database = await databaseAt013()
    const { differences } = await verifySchema({ databaseUrl: database.url })
    expect(differences).toContain('Migration 001_original_tables is not applied: run migrate.')
  })
})

describe('a database before 013, or beside it', () => {
  it.each([
    [
      'an earlier one',
      `DELETE FROM crawler.schema_migration WHERE name = '013_running_by_platform'`,
      '012_save_together',
    ],
    [
      'one with an edited migration',
      `UPDATE crawler.schema_migration SET sha256 = 'x' WHERE name LIKE '012%'`,
      '013_running_by_platform',
    ],
  ])(
    'is refused: %s, in one line that names the commit to run first, with exit code 2',
    async (_which, change, last) => {
      await using database = await databaseAt013()
      await database.query(change)
      for (const command of ['migrate', 'serve']) {
        const { code, stderr } = await runCommand([command], { DATABASE_URL: database.url }, { cwd: tmpdir() })
        expect(stderr.trimEnd()).toBe(
          `waymark: The database is at migration ${last} of before the migrations were written anew: run \`npm run migrate\` of commit e3be305 on it first, which brings it to 013_running_by_platform, then this version.`,
        )
        expect(code).toBe(2)
      }
    },
  )
})
