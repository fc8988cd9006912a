import { describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { runCommand } from '../../support/server-process.ts'
import {
  originalEndSession,
  originalRows,
  originalSaveCheckpoint,
  originalStartSession,
  originalTables,
} from './original-project.ts'

async function originalDatabase(rows = originalRows): Promise<TestDatabase> {
  const database = await createTestDatabase('empty')
  await database.query(originalTables)
  await database.query(rows)
  return database
}

const checkpoints = (time: string) => `
  SELECT user_id, last_tweet_id, (last_crawled_at ${time})::text AS last_crawled_at, bookmarks_count,
    (created_at ${time})::text AS created_at, (updated_at ${time})::text AS updated_at, note
  FROM crawler.twitter_crawl_checkpoint ORDER BY user_id`
const sessions = (time: string) => `
  SELECT session_id, user_id, (started_at ${time})::text AS started_at, (completed_at ${time})::text AS completed_at, status,
    bookmarks_processed, direct_import, enable_summarization, output_file_path, error_message, worker_host
  FROM crawler.crawl_session ORDER BY session_id`

describe('a database of the original project', () => {
  it('keeps every row and every value, to the microsecond, whatever the server time zone', async () => {
    await using database = await originalDatabase()
    await database.query(`ALTER DATABASE ${database.name} SET timezone = 'America/New_York'`)
    const before = [await database.query(checkpoints('')), await database.query(sessions(''))]
    expect(before.map((rows) => rows.length)).toEqual([2, 4])
    await migrate({ databaseUrl: database.url })
    const utc = `AT TIME ZONE 'UTC'`
    expect([await database.query(checkpoints(utc)), await database.query(sessions(utc))]).toEqual(before)
    expect(await database.query('SELECT DISTINCT stream FROM crawler.crawl_checkpoint')).toEqual([
      { stream: 'twitter/bookmarks' },
    ])
    expect(await database.query('SELECT DISTINCT stream FROM crawler.crawl_session')).toEqual([
      { stream: 'twitter/bookmarks' },
    ])
    expect(await database.query('SELECT id, email, password_hash FROM public."user" ORDER BY id')).toHaveLength(3)
  })

  it('turns naive times into TIMESTAMPTZ without rewriting a table', async () => {
    await using database = await originalDatabase()
    const files = `SELECT relname, relfilenode FROM pg_class WHERE relname IN ('twitter_crawl_checkpoint', 'crawl_session') ORDER BY 1`
    const before = await database.query(files)
    await migrate({ databaseUrl: database.url })
    expect(await database.query(files)).toEqual(before)
    expect(
      await database.query(
        `SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'crawler' AND column_name LIKE '%\\_at'`,
      ),
    ).toEqual([{ data_type: 'timestamp with time zone' }])
  })

  it("goes on working for the original's own statements, in any time zone", async () => {
    await using database = await originalDatabase()
    await migrate({ databaseUrl: database.url })
    await withClient(database.url, async (client) => {
      await client.query(`SET timezone = 'Asia/Kolkata'`)
      for (const tweetId of ['30', '31']) {
        await client.query(originalSaveCheckpoint, ['cyd', tweetId, '2024-05-01T00:00:00Z', 9])
      }
      await client.query(originalSaveCheckpoint, ['ada', '32', '2024-05-01T00:00:00Z', 500])
      await client.query(originalStartSession, ['s5', 'cyd', '2024-05-01T00:00:00Z'])
      await client.query(originalEndSession, ['s5', 'completed', '2024-05-01T00:01:00Z', 9])
      await client.query(originalEndSession, ['s2', 'stopped', '2024-05-01T00:01:00Z', 9])
      await client.query(
        'INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING',
        ['bob', '1'],
      )
    })
    expect(
      await database.query(
        `SELECT user_id, stream, last_tweet_id, bookmarks_count, note,
           abs(extract(epoch FROM updated_at - now())) < 60 AS touched, abs(extract(epoch FROM created_at - now())) < 60 AS made
         FROM crawler.crawl_checkpoint ORDER BY user_id`,
      ),
    ).toEqual([
      {
        user_id: 'ada',
        stream: 'twitter/bookmarks',
        last_tweet_id: '32',
        bookmarks_count: 500,
        note: 'hers',
        touched: true,
        made: false,
      },
      {
        user_id: 'bob',
        stream: 'twitter/bookmarks',
        last_tweet_id: '20',
        bookmarks_count: 0,
        note: 'none',
        touched: false,
        made: false,
      },
      {
        user_id: 'cyd',
        stream: 'twitter/bookmarks',
        last_tweet_id: '31',
        bookmarks_count: 9,
        note: 'none',
        touched: true,
        made: true,
      },
    ])
    expect(
      await database.query(
        `SELECT session_id, status FROM crawler.crawl_session WHERE session_id IN ('s2', 's5') ORDER BY 1`,
      ),
    ).toEqual([
      { session_id: 's2', status: 'stopped' },
      { session_id: 's5', status: 'completed' },
    ])
  })

  it('takes other streams beside it', async () => {
    await using database = await originalDatabase()
    await migrate({ databaseUrl: database.url })
    await database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'reddit/saved', 't3_abc')`,
    )
    expect(await database.query(`SELECT count(*)::int FROM crawler.twitter_crawl_checkpoint`)).toEqual([{ count: 2 }])
    expect(await database.query(`SELECT count(*)::int FROM crawler.crawl_checkpoint`)).toEqual([{ count: 3 }])
  })

  it('gets the foreign key and the CHECK that it lacks, and verify names the status it must live with', async () => {
    await using database = await originalDatabase()
    const warnings: unknown[] = []
    await migrate({
      databaseUrl: database.url,
      log: { info: () => undefined, warn: (...message: unknown[]) => void warnings.push(...message) },
    })
    expect(warnings).toEqual([expect.stringContaining('status is none of running, completed, stopped, failed')])
    await expect(database.query(originalStartSession, ['s9', 'nobody', '2024-05-01'])).rejects.toThrow(/foreign key/)
    await expect(
      database.query(`UPDATE crawler.crawl_session SET status = 'paused' WHERE session_id = 's1'`),
    ).rejects.toThrow(/crawl_session_status_is_known/)
    const { differences, notes } = await verifySchema({ databaseUrl: database.url })
    expect(differences).toEqual([])
    expect(notes).toContainEqual(
      expect.stringMatching(
        /^Constraint CHECK .* of crawler\.crawl_session is not valid for all rows: .* VALIDATE CONSTRAINT/,
      ),
    )
    expect(notes).toContain(
      `crawler.crawl_session holds status 'cancelled' (rows: 1), which reads as failed: UPDATE crawler.crawl_session SET status = 'failed' WHERE status = 'cancelled'.`,
    )
    await database.query(`UPDATE crawler.crawl_session SET status = 'failed' WHERE status = 'cancelled'`)
    await database.query(`ALTER TABLE crawler.crawl_session VALIDATE CONSTRAINT crawl_session_status_is_known`)
    expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
    await database.query(`DELETE FROM public."user" WHERE id IN ('ada', 'bob')`)
    expect(await database.query('SELECT FROM crawler.crawl_session')).toEqual([])
    expect(await database.query('SELECT FROM crawler.twitter_crawl_checkpoint')).toEqual([])
  })

  it('fills what is NULL where Waymark needs a value', async () => {
    await using database = await originalDatabase(`
      INSERT INTO public."user" VALUES ('ada', 'ada@example.org', 'x');
      ALTER TABLE crawler.crawl_session ALTER COLUMN status DROP NOT NULL, ALTER COLUMN started_at DROP NOT NULL,
        ALTER COLUMN direct_import DROP NOT NULL;
      INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id, last_crawled_at, bookmarks_count)
        VALUES ('ada', '20', '2024-01-01', NULL);
      INSERT INTO crawler.crawl_session VALUES
        ('s1', 'ada', NULL, '2024-01-01 00:00:01', NULL, 3, NULL, false, NULL, NULL, NULL);`)
    await migrate({ databaseUrl: database.url })
    expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
    expect(await database.query('SELECT bookmarks_count FROM crawler.crawl_checkpoint')).toEqual([
      { bookmarks_count: 0 },
    ])
    expect(await database.query('SELECT started_at, status, direct_import FROM crawler.crawl_session')).toEqual([
      { started_at: new Date('2024-01-01T00:00:01Z'), status: 'failed', direct_import: false },
    ])
  })
})

describe('a database that is nearly that of the original project', () => {
  it.each(['VARCHAR(36)', 'CHAR(3)', 'TEXT'])('is adopted where public."user" has %s for an id', async (type) => {
    await using database = await createTestDatabase('empty')
    await database.query(`CREATE TABLE public."user" (id ${type} PRIMARY KEY, name TEXT NOT NULL)`)
    await database.query(`INSERT INTO public."user" VALUES ('ada', 'Ada')`)
    await migrate({ databaseUrl: database.url })
    await database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'x/y', '1')`,
    )
    await database.query(`DELETE FROM public."user"`)
    expect(await database.query('SELECT FROM crawler.crawl_checkpoint')).toEqual([])
    expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
  })

  it.each(['UUID', 'BIGINT', 'INTEGER', 'SMALLINT', 'NUMERIC', 'BYTEA'])(
    'is refused in one line that says what to do where the id is of type %s',
    async (type) => {
      await using database = await createTestDatabase('empty')
      await database.query(`CREATE TABLE public."user" (id ${type} PRIMARY KEY)`)
      await expect(migrate({ databaseUrl: database.url })).rejects.toThrow(
        new RegExp(
          `^Migration 001_original_tables failed and changed nothing: column id of public\\."user" is of type ${type.toLowerCase()}, and Waymark keeps user IDs as text\\. Give Waymark a database of its own, .*, and migrate again\\.$`,
        ),
      )
    },
  )

  it('is refused with exit code 2 where users have a UUID, by the server and by migrate', async () => {
    await using database = await createTestDatabase('empty')
    await database.query('CREATE TABLE public."user" (id UUID PRIMARY KEY)')
    for (const command of ['serve', 'migrate']) {
      const { code, stderr } = await runCommand([command], { DATABASE_URL: database.url, PORT: '0' }, { cwd: '/' })
      expect({ code, lines: stderr.split('\n').length }).toEqual({ code: 2, lines: 2 })
      expect(stderr).toMatch(
        /^waymark: .*column id of public\."user" is of type uuid, and Waymark keeps user IDs as text\./,
      )
    }
    expect(await database.query(`SELECT to_regnamespace('crawler') AS made`)).toEqual([{ made: null }])
  })

  it('is adopted without its keys and with columns missing', async () => {
    await using database = await createTestDatabase('empty')
    await database.query(`
      CREATE SCHEMA crawler;
      CREATE TABLE crawler.twitter_crawl_checkpoint (user_id TEXT, last_tweet_id TEXT);
      CREATE TABLE crawler.crawl_session (id SERIAL PRIMARY KEY, session_id VARCHAR(36), user_id VARCHAR(255));
      CREATE TABLE public."user" (id TEXT PRIMARY KEY);
      INSERT INTO public."user" VALUES ('ada');
      INSERT INTO crawler.twitter_crawl_checkpoint VALUES ('ada', '20');
      INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ada')`)
    await migrate({ databaseUrl: database.url })
    await database.query(originalSaveCheckpoint, ['ada', '21', '2024-01-01', 1])
    expect(await database.query('SELECT last_tweet_id, stream FROM crawler.crawl_checkpoint')).toEqual([
      { last_tweet_id: '21', stream: 'twitter/bookmarks' },
    ])
    await expect(database.query(originalStartSession, ['s1', 'ada', '2024-01-01'])).rejects.toThrow(/duplicate key/)
    const { differences } = await verifySchema({ databaseUrl: database.url })
    expect(differences).toContain(
      'Column session_id of crawler.crawl_session is different: "character varying(36) NOT NULL" instead of "character varying(255) NOT NULL": ALTER TABLE crawler.crawl_session ALTER COLUMN session_id TYPE character varying(255).',
    )
  })

  it.each([
    [
      'rows name users that do not exist',
      `ALTER TABLE crawler.twitter_crawl_checkpoint DROP CONSTRAINT fk_checkpoint_user;
        INSERT INTO crawler.twitter_crawl_checkpoint VALUES ('gone', '1', now(), 1)`,
      /^Migration 001_original_tables failed and changed nothing.*: 1 rows of crawler\.twitter_crawl_checkpoint name a user .* List them/,
    ],
    [
      'a key is there twice',
      `ALTER TABLE crawler.twitter_crawl_checkpoint DROP CONSTRAINT pk_checkpoint;
        INSERT INTO crawler.twitter_crawl_checkpoint VALUES ('ada', '1', now(), 1)`,
      /Key \(user_id\)=\(ada\) is duplicated/,
    ],
    [
      'a column has a type that cannot hold the values',
      `ALTER TABLE crawler.crawl_session ALTER COLUMN status TYPE integer USING 1`,
      /column crawler\.crawl_session\.status is of type integer, not VARCHAR\(50\)\. ALTER TABLE/,
    ],
    [
      'a column that only its owner can fill is missing',
      `ALTER TABLE crawler.twitter_crawl_checkpoint RENAME last_tweet_id TO tweet`,
      /crawler\.twitter_crawl_checkpoint has no column last_tweet_id\. Rename/,
    ],
    [
      'a view depends on a naive time',
      `CREATE VIEW public.recent AS SELECT started_at FROM crawler.crawl_session`,
      /^Migration 002_streams failed.*view public\.recent|view recent/,
    ],
  ])('is refused with the reason and left as it was where %s', async (_why, change, says) => {
    await using database = await originalDatabase()
    await database.query(change)
    const before = await database.query(sessions(''))
    await expect(migrate({ databaseUrl: database.url })).rejects.toThrow(
      expect.objectContaining({ name: 'StartupError', message: expect.stringMatching(says) as string }),
    )
    expect(await database.query(sessions(''))).toEqual(before)
  })

  it('is adopted with a NOT NULL column that Waymark does not know, and verify says what that forbids', async () => {
    await using database = await originalDatabase()
    await database.query('ALTER TABLE crawler.twitter_crawl_checkpoint ALTER COLUMN note DROP DEFAULT')
    await migrate({ databaseUrl: database.url })
    await database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'x/y', '1')`,
    )
    expect((await verifySchema({ databaseUrl: database.url })).differences).toContain(
      'Column note of crawler.twitter_crawl_checkpoint may not be NULL and has no default, so Waymark cannot insert there: ALTER TABLE crawler.twitter_crawl_checkpoint ALTER COLUMN note DROP NOT NULL, or give it a default.',
    )
  })

  it('keeps a foreign key that refuses to delete users, and verify names it', async () => {
    await using database = await originalDatabase()
    await database.query(
      `ALTER TABLE crawler.crawl_session ADD CONSTRAINT keeps_users FOREIGN KEY (user_id) REFERENCES public."user" (id)`,
    )
    await migrate({ databaseUrl: database.url })
    const { differences, notes } = await verifySchema({ databaseUrl: database.url })
    expect(differences).toEqual([])
    expect(notes).toContain(
      'Foreign key keeps_users of crawler.crawl_session keeps users from being deleted: ALTER TABLE crawler.crawl_session DROP CONSTRAINT keeps_users (another one cascades).',
    )
  })
})
