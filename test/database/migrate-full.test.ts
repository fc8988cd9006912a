import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { readMigrations } from '../../src/database/migration-files.ts'
import { createTestDatabase } from '../support/database.ts'
import { rollbackSql } from './rollback.ts'

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

it('migrates a database full of rows from 002 forward, and back, without losing one', async () => {
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
    INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, 5000) n;
    INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count)
      SELECT id, stream, '20', 7 FROM public."user", unnest(ARRAY['twitter/bookmarks', 'reddit/saved']) stream;
    INSERT INTO crawler.crawl_session (session_id, user_id, stream, status)
      SELECT id || '-' || n, id, 'reddit/saved', (ARRAY['running', 'completed', 'stopped', 'failed'])[n] FROM public."user", generate_series(1, 4) n`)
  const rows = () =>
    database.query(`SELECT
      (SELECT md5(string_agg(concat_ws('|', user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at, created_at, updated_at), ',' ORDER BY user_id, stream))
        FROM crawler.crawl_checkpoint) AS checkpoints,
      (SELECT md5(string_agg(concat_ws('|', session_id, user_id, stream, status, started_at, bookmarks_processed), ',' ORDER BY session_id))
        FROM crawler.crawl_session) AS sessions`)
  const before = await rows()

  await migrate({ databaseUrl: database.url })
  expect(await rows()).toEqual(before)
  // An adopted checkpoint's first revision is where it stood: by somebody else, and incomplete.
  expect(
    await database.query(
      `SELECT version, source, complete, epoch, count(*)::int FROM crawler.checkpoint_revision GROUP BY 1, 2, 3, 4`,
    ),
  ).toEqual([{ version: 1, source: 'EXTERNAL', complete: false, epoch: 0, count: 10_000 }])

  const later = (await readMigrations()).filter(({ name }) => name > '002_streams').reverse()
  expect(later.length).toBeGreaterThanOrEqual(4)
  for (const { sql } of later) await database.query(rollbackSql(sql))
  expect(await rows()).toEqual(before)
  const { applied } = await migrate({ databaseUrl: database.url })
  expect(applied).toEqual(later.map(({ name }) => name).reverse())
  expect(await rows()).toEqual(before)
})
