import { SESSIONS_PER_USER, STREAM } from './works.mjs'

/** The users, and how many of them have 20 sessions each. Every user has a checkpoint. */
export const SMALL = { users: 10_000, crawledUsers: 10_000 }
export const LARGE = { users: 1_000_000, crawledUsers: 500_000 }

/**
 * `streamOf` and `statusOf` are SQL over user n and their session k. `versions` is the number of revisions of each
 * checkpoint, a day apart; the last one is current.
 */
const PLAIN_KIND = {
  streamOf: `'${STREAM}'`,
  statusOf: `(ARRAY['completed', 'completed', 'stopped', 'failed'])[1 + (n + k) % 4]`,
  versions: 1,
}

/**
 * Each user has one stream: 90 % the most common one, a thousandth the rarest, whose name is of no platform. streamOf
 * in growth-works.mjs does the same.
 */
export const streamSql = `CASE WHEN n % 1000 = 500 THEN 'rare/list' WHEN n % 200 < 180 THEN '${STREAM}' WHEN n % 200 < 190 THEN 'reddit/saved'
  WHEN n % 200 < 194 THEN 'twitter/likes' WHEN n % 200 < 196 THEN 'youtube/likes' WHEN n % 200 < 198 THEN 'mastodon/bookmarks'
  WHEN n % 200 < 199 THEN 'linkedin/saved' ELSE 'bluesky/likes' END`

/**
 * Every filter matches some rows: there are streams of each platform, and one of 2,000 sessions runs. Of three
 * revisions two can be pruned.
 */
export const MIXED_KIND = {
  streamOf: streamSql,
  statusOf: `CASE WHEN (n * 20 + k) % 2000 = 7 THEN 'running' ELSE ${PLAIN_KIND.statusOf} END`,
  versions: 3,
}

/**
 * Fills an empty migrated database with the rows that its own functions would have written: states and revisions match
 * the checkpoints. Triggers are off, which needs a superuser, since nobody is subscribed. The indexes of the three
 * largest tables are dropped and created again when the tables are full. For 10,000,000 sessions that takes minutes;
 * filling 14 indexes row by row took more than ten.
 */
export async function fill(client, { users, crawledUsers }, { streamOf, statusOf, versions } = PLAIN_KIND) {
  const { rows: indexes } = await client.query(`
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
    WHERE i.indrelid IN ('crawler.crawl_session'::regclass, 'crawler.checkpoint_revision'::regclass, 'crawler.crawl_state'::regclass)
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)`)
  for (const { name } of indexes) await client.query(`DROP INDEX ${name}`)
  await client.query(`
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    INSERT INTO public."user" (id) SELECT 'user-' || lpad(n::text, 7, '0') FROM generate_series(1, ${users}) AS n;
    INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, created_at, updated_at)
      SELECT 'user-' || lpad(n::text, 7, '0'), ${streamOf}, '17' || lpad(n::text, 17, '0'), timestamptz '2026-01-01Z' + n * interval '1.237 s',
        n % 1000, timestamptz '2026-01-01Z', timestamptz '2026-01-01Z' + n * interval '1.237 s'
      FROM generate_series(1, ${users}) AS n;
    -- One of twenty lists has not completed for a day, one of a thousand never, one of 200 is paused.
    INSERT INTO crawler.crawl_state (user_id, stream, version, complete, last_started_at, last_completed_at)
      SELECT user_id, stream, ${versions}, n % 20 > 0, last_crawled_at - interval '1 minute',
        CASE WHEN n % 1000 > 0 THEN last_crawled_at - CASE WHEN n % 20 = 0 THEN interval '1 day' ELSE interval '0' END END
      FROM (SELECT *, substr(user_id, 6)::integer AS n FROM crawler.crawl_checkpoint) AS c;
    INSERT INTO crawler.crawl_pause (user_id, stream, until, paused_by)
      SELECT user_id, stream, timestamptz '2100-01-01Z', 'local' FROM crawler.crawl_checkpoint WHERE substr(user_id, 6)::integer % 200 = 1;
    INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete,
        epoch, last_crawled_at, recorded_at)
      SELECT user_id, stream, v, 'EXTERNAL', last_tweet_id, bookmarks_count, bookmarks_count, FALSE, 0, at, at
      FROM crawler.crawl_checkpoint, generate_series(1, ${versions}) AS v, LATERAL (SELECT last_crawled_at - (${versions} - v) * interval '1 day') AS t (at);
    INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status, bookmarks_processed, epoch,
        lease_seconds, lease_expires_at, position_moved_at, end_reason, worker, rate_limited_until, loop_hits)
      SELECT 'user-' || lpad(n::text, 7, '0') || '-' || (9 + k), 'user-' || lpad(n::text, 7, '0'), ${streamOf}, at,
        CASE WHEN status <> 'running' THEN at + interval '61.5 s' END, status, (n + k) % 500,
        -- Running sessions own a stream, and half of them do not move.
        leased, CASE WHEN leased > 0 THEN 60 END, CASE WHEN leased > 0 THEN timestamptz '2100-01-01Z' END,
        CASE WHEN leased > 0 AND n % 200 < 100 THEN timestamptz '2100-01-01Z' END,
        CASE WHEN status = 'running' THEN NULL WHEN (n * 20 + k) % 2000 = 11 THEN 'TAKEN_OVER' WHEN status = 'failed' THEN 'LEASE_EXPIRED'
          ELSE 'REPORTED' END,
        -- Of those that move, some are rate limited, and some go round.
        'worker-' || n % 1000, CASE WHEN leased > 0 AND n % 400 < 100 THEN timestamptz '2100-01-01Z' END,
        CASE WHEN leased > 0 AND n % 400 BETWEEN 200 AND 299 THEN 3 ELSE 0 END
      FROM generate_series(1, ${crawledUsers}) AS n, generate_series(1, ${SESSIONS_PER_USER}) AS k,
        LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '1.237 s' + k * interval '1 hour', ${statusOf}) AS t (at, status),
        LATERAL (SELECT CASE WHEN status = 'running' THEN 1 ELSE 0 END) AS l (leased);
    UPDATE crawler.crawl_state st SET owner_session_id = s.session_id, epoch = s.epoch
      FROM crawler.crawl_session s WHERE s.user_id = st.user_id AND s.stream = st.stream AND s.status = 'running';
    SET session_replication_role = origin;
    SET synchronous_commit = on;
    SET maintenance_work_mem = '512MB'`)
  for (const { definition } of indexes) await client.query(definition)
  await client.query('VACUUM (ANALYZE, FREEZE)')
}

/** Adds the table that the other servers save to. */
export async function fillPlain(client) {
  await client.query(PLAIN)
  await client.query('VACUUM (ANALYZE) bench.checkpoint')
  await client.query('CHECKPOINT')
}

/**
 * The table that the other servers save to: the checkpoint's columns, key and foreign key, without the triggers that
 * write history and events.
 */
const PLAIN = `
  CREATE SCHEMA bench;
  CREATE TABLE bench.checkpoint (
    user_id VARCHAR(255) NOT NULL REFERENCES public."user" (id) ON DELETE CASCADE,
    stream VARCHAR(255) NOT NULL,
    last_tweet_id VARCHAR(255) NOT NULL,
    last_crawled_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    bookmarks_count INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, stream)
  );
  INSERT INTO bench.checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, created_at, updated_at)
    SELECT user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, created_at, updated_at FROM crawler.crawl_checkpoint`
