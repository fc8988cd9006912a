import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { runBefore, runStep } from '../../../src/database/migrations/migration-steps.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'

const ROWS = 500
/** The original tables, as the seed has them; the sessions without the foreign key. */
const ORIGINAL = `CREATE SCHEMA crawler;
  CREATE TABLE public."user" (id VARCHAR(255) PRIMARY KEY);
  CREATE TABLE crawler.twitter_crawl_checkpoint (
    user_id VARCHAR(255) PRIMARY KEY REFERENCES public."user" (id) ON DELETE CASCADE,
    last_tweet_id VARCHAR(255) NOT NULL,
    last_crawled_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    bookmarks_count INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
  );
  CREATE TABLE crawler.crawl_session (
    session_id VARCHAR(255) PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at TIMESTAMPTZ,
    status VARCHAR(50) NOT NULL DEFAULT 'running',
    bookmarks_processed INTEGER NOT NULL DEFAULT 0,
    direct_import BOOLEAN NOT NULL DEFAULT false,
    enable_summarization BOOLEAN NOT NULL DEFAULT false,
    output_file_path TEXT,
    error_message TEXT
  )`

/** How many rows this connection has read by scans of whole tables, by table, in the last transactions. */
async function readByNow(client: pg.Client): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ name: string; rows: number }>(
    `SELECT schemaname || '.' || relname AS name, seq_tup_read::integer AS rows FROM pg_stat_xact_user_tables`,
  )
  return new Map(rows.map(({ name, rows: count }) => [name, count]))
}

describe('the migrations of tables with rows', () => {
  it('read none of them in their transactions, whose locks writers wait for: that comes before and after', async () => {
    await using database = await createTestDatabase('empty')
    await withClient(database.url, async (client) => {
      await client.query(ORIGINAL)
      await client.query(`INSERT INTO public."user" (id) SELECT 'u' || n FROM generate_series(1, ${ROWS}) n`)
      await client.query(
        `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) SELECT 'u' || n, n FROM generate_series(1, ${ROWS}) n`,
      )
      await client.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id) SELECT 's' || n, 'u' || n FROM generate_series(1, ${ROWS}) n`,
      )
      await client.query('CREATE TABLE crawler.schema_migration (name TEXT PRIMARY KEY)')
      for (const migration of await readMigrations()) {
        // Each table gets rows as soon as it is there.
        if (migration.name.startsWith('008')) {
          await client.query(`INSERT INTO crawler.crawl_state (user_id, stream) SELECT user_id, stream FROM crawler.crawl_checkpoint;
            INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
            SELECT user_id, stream, 1, 'SAVE', 0, 0, FALSE, 0, now() FROM crawler.crawl_checkpoint`)
        }
        await runBefore(client, migration)
        await client.query('BEGIN')
        const before = await readByNow(client)
        await client.query(migration.sql)
        const scanned = [...(await readByNow(client))].filter(([name, rows]) => rows - (before.get(name) ?? 0) >= ROWS)
        expect(scanned, migration.name).toEqual([])
        await client.query('COMMIT')
        for (const step of migration.steps) await runStep(client, step)
        // Once more, as after a crash.
        await runBefore(client, migration)
      }
    })
  })
})
