import { pino } from 'pino'
import { openDatabase } from './database/database.ts'
import { StartupError } from './startup-error.ts'
import { insertUsers } from './user/store.ts'

const USERS = ['alice', 'bob', 'carol', 'dan']

/** A small believable data set; every row of it has a fixed key, so that seeding again changes nothing. */
const SEED_SQL = `
INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status, bookmarks_processed,
    direct_import, enable_summarization, output_file_path, error_message)
SELECT session_id, user_id, stream, now() - age, now() - age + took, status, processed, direct, summarize, path, error
FROM (VALUES
  ('seed-alice-1', 'alice', 'twitter/bookmarks', interval '9 days', interval '14 minutes', 'completed', 412, false, true, '/data/alice/twitter.json', NULL),
  ('seed-alice-2', 'alice', 'twitter/bookmarks', interval '2 days', interval '3 minutes', 'failed', 140, false, true, NULL, 'HTTP 429 from the API: rate limit exceeded, reset in 900 s'),
  ('seed-alice-3', 'alice', 'twitter/bookmarks', interval '4 minutes', NULL, 'running', 60, false, true, NULL, NULL),
  ('seed-alice-4', 'alice', 'reddit/saved', interval '1 day', interval '2 minutes', 'completed', 87, true, false, '/data/alice/reddit.json', NULL),
  ('seed-bob-1', 'bob', 'twitter/bookmarks', interval '5 days', interval '1 hour', 'completed', 2310, true, false, '/data/bob/twitter.json', NULL),
  ('seed-bob-2', 'bob', 'mastodon/bookmarks', interval '3 hours', interval '40 seconds', 'stopped', 25, false, false, NULL, NULL),
  ('seed-carol-1', 'carol', 'linkedin/saved-posts', interval '6 hours', interval '5 minutes', 'failed', 0, false, false, NULL, 'HTTP 401 from the API: the token has expired'),
  ('seed-carol-2', 'carol', 'bluesky/bookmarks', interval '30 minutes', interval '1 minute', 'completed', 33, false, true, NULL, NULL),
  ('seed-carol-3', 'carol', 'pinboard/all', interval '2 minutes', NULL, 'running', 500, true, false, NULL, NULL)
) AS sessions (session_id, user_id, stream, age, took, status, processed, direct, summarize, path, error)
ON CONFLICT (session_id) DO NOTHING;
INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count)
SELECT user_id, stream, item_id, now() - age, count
FROM (VALUES
  ('alice', 'twitter/bookmarks', '2107472788858387122', interval '3 minutes', 612),
  ('alice', 'reddit/saved', 't3_1nx0k2p', interval '1 day', 87),
  ('bob', 'twitter/bookmarks', '2107108321689016154', interval '5 days', 2310),
  ('bob', 'mastodon/bookmarks', '115326948573012345', interval '3 hours', 25),
  ('carol', 'bluesky/bookmarks', '3lzabcdefgh2k', interval '29 minutes', 33),
  ('carol', 'pinboard/all', 'https://pinboard.in/u:carol/b:0a1b2c', interval '1 minute', 500)
) AS checkpoints (user_id, stream, item_id, age, count)
ON CONFLICT (user_id, stream) DO NOTHING`

/**
 * Fills a migrated database with users, checkpoints and sessions to try things on. Rows that are there already are left as they are.
 * @returns one sentence on what is there now
 * @throws StartupError where the users of this database are not ours to make
 */
export async function seed(databaseUrl: string): Promise<string> {
  const database = openDatabase({
    url: databaseUrl,
    poolSize: 2,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 30_000,
    log: pino({ level: 'silent' }),
  })
  try {
    if ((await insertUsers(database, 'all', USERS)) !== 'ok') {
      throw new StartupError(
        'cannot seed: another application makes the users of this database (public."user" needs more than an id). Seed a database of your own.',
      )
    }
    await database.query({ text: SEED_SQL, values: [] })
    return 'seeded: users alice, bob, carol and dan, with 6 checkpoints and 9 sessions (rows that were there are unchanged)'
  } finally {
    await database.close()
  }
}
