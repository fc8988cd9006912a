import { SESSIONS_PER_USER, STREAM } from './works.mjs'

/** 10,000 users with a checkpoint and 20 sessions each; large: 1,000,000 with a checkpoint, half of them with 20 sessions. */
export const SMALL = { users: 10_000, crawledUsers: 10_000 }
export const LARGE = { users: 1_000_000, crawledUsers: 500_000 }

/**
 * Fills an empty migrated database as its own functions would have: states and revisions belong to the checkpoints. With triggers
 * off (this needs a superuser), since nobody watches yet.
 */
export async function fill(client, { users, crawledUsers }) {
  await client.query(`
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    INSERT INTO public."user" (id) SELECT 'user-' || lpad(n::text, 7, '0') FROM generate_series(1, ${users}) AS n;
    INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, created_at, updated_at)
      SELECT 'user-' || lpad(n::text, 7, '0'), '${STREAM}', '17' || lpad(n::text, 17, '0'), timestamptz '2026-01-01Z' + n * interval '1.237 s',
        n % 1000, timestamptz '2026-01-01Z', timestamptz '2026-01-01Z' + n * interval '1.237 s'
      FROM generate_series(1, ${users}) AS n;
    INSERT INTO crawler.crawl_state (user_id, stream, version) SELECT user_id, stream, 1 FROM crawler.crawl_checkpoint;
    INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete,
        epoch, last_crawled_at, recorded_at)
      SELECT user_id, stream, 1, 'EXTERNAL', last_tweet_id, bookmarks_count, bookmarks_count, FALSE, 0, last_crawled_at, last_crawled_at
      FROM crawler.crawl_checkpoint;
    INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status, bookmarks_processed)
      SELECT 'user-' || lpad(n::text, 7, '0') || '-' || (9 + k), 'user-' || lpad(n::text, 7, '0'), '${STREAM}', at, at + interval '61.5 s',
        (ARRAY['completed', 'completed', 'stopped', 'failed'])[1 + (n + k) % 4], (n + k) % 500
      FROM generate_series(1, ${crawledUsers}) AS n, generate_series(1, ${SESSIONS_PER_USER}) AS k,
        LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '1.237 s' + k * interval '1 hour') AS t (at);
    SET session_replication_role = origin;
    SET synchronous_commit = on`)
  await client.query('VACUUM (ANALYZE, FREEZE)')
  await client.query(PLAIN)
  await client.query('VACUUM (ANALYZE) bench.checkpoint')
  await client.query('CHECKPOINT')
}

/** What the others save to: the checkpoint's columns, key and foreign key, and none of the triggers that keep history and events. */
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
