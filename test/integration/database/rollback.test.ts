import { describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { rollbackSql, takeBackFrom } from './rollback.ts'

const migrations = await readMigrations()
const names = migrations.map(({ name }) => name)
/** All but so many: the last of these stays. */
const rollBackTo = (database: TestDatabase, number: number) => takeBackFrom(database, names[number] ?? '')

describe('the migrations, taken back as docs/database.md has it', () => {
  it('leave nothing of an empty database, and apply again', async () => {
    await using database = await createTestDatabase()
    await rollBackTo(database, 0)
    expect(
      await database.query(
        `SELECT relname FROM pg_class WHERE relnamespace IN ('crawler'::regnamespace, 'public'::regnamespace)
         AND relkind IN ('r', 'p', 'S') ORDER BY 1`,
      ),
    ).toEqual([{ relname: 'function_set' }, { relname: 'schema_function' }, { relname: 'schema_migration' }])
    expect(await database.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'crawler'::regnamespace`)).toEqual([])
    expect(await migrate({ databaseUrl: database.url })).toMatchObject({ applied: names, present: [] })
    expect(await verifySchema({ databaseUrl: database.url })).toEqual({ differences: [], notes: [], diff: '' })
  })

  it('keep the rows of the original tables when all but the first are taken back', async () => {
    await using database = await createTestDatabase()
    await database.query(`INSERT INTO public."user" VALUES ('ada')`)
    await database.query(`INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ('ada', '20')`)
    await database.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ada')`)
    await rollBackTo(database, 1)
    await database.query(`UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '21'`)
    await expect(database.query(rollbackSql(migrations[0]?.sql ?? ''))).rejects.toThrow(
      'table crawler.twitter_crawl_checkpoint has rows',
    )
    await migrate({ databaseUrl: database.url })
    expect(await database.query('SELECT user_id, stream, last_tweet_id FROM crawler.crawl_checkpoint')).toEqual([
      { user_id: 'ada', stream: 'twitter/bookmarks', last_tweet_id: '21' },
    ])
    expect(await database.query('SELECT session_id, stream FROM crawler.crawl_session')).toEqual([
      { session_id: 's1', stream: 'twitter/bookmarks' },
    ])
    // It is adopted like a row that was there before Waymark.
    expect(await database.query('SELECT version, source, last_item_id FROM crawler.checkpoint_revision')).toEqual([
      { version: 1, source: 'EXTERNAL', last_item_id: '21' },
    ])
    expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
  })

  it.each([
    [
      'a checkpoint',
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'reddit/saved', 't3_a')`,
      'crawler.crawl_checkpoint_other has rows',
    ],
    [
      'a session',
      `INSERT INTO crawler.crawl_session (session_id, user_id, stream) VALUES ('s1', 'ada', 'reddit/saved')`,
      'crawler.crawl_session has sessions of other streams',
    ],
  ])('are refused where the older schema cannot hold %s of another stream', async (_what, insert, message) => {
    await using database = await createTestDatabase()
    await database.query(`INSERT INTO public."user" VALUES ('ada')`)
    await database.query(insert)
    await expect(rollBackTo(database, 1)).rejects.toThrow(message)
  })
})

it('each migration can be run again by hand, also after the later ones, and changes nothing then', async () => {
  await using database = await createTestDatabase()
  for (const { sql } of migrations) await database.query(sql)
  for (const { steps } of migrations) for (const step of steps) await database.query(step)
  expect(await verifySchema({ databaseUrl: database.url })).toEqual({ differences: [], notes: [], diff: '' })
})
