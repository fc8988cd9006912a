-- Each statement runs by itself, outside a transaction, after migration.sql; each can be repeated
-- (docs/adr/0002-migrations.md). One index for every filter and order of the API, each ending in the key that paging
-- needs to tell equal times apart. Saves and heartbeats write none of these; a session's start writes all but the last
-- two kinds, its end those that have its status or completed_at.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_started ON crawler.crawl_session (started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_user_started ON crawler.crawl_session (user_id, started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_stream_started ON crawler.crawl_session (stream, started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_user_stream_started
  ON crawler.crawl_session (user_id, stream, started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_platform_started
  ON crawler.crawl_session (split_part(stream, '/', 1), started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_other_platform_started ON crawler.crawl_session (started_at, session_id)
  WHERE split_part(stream, '/', 1) NOT IN ('twitter', 'reddit', 'linkedin', 'mastodon', 'bluesky', 'youtube');
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_status_started
  ON crawler.crawl_session (crawler.known_status(status), started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_user_status_started
  ON crawler.crawl_session (user_id, crawler.known_status(status), started_at, session_id);
-- COMPLETED_AT_DESC: running sessions last. By status, stream and platform (each of its streams) too: by the first
-- alone a rare one was looked for through all others (2,000,000 rows for 20, where the status is the running ones').
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_completed
  ON crawler.crawl_session (coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_status_completed
  ON crawler.crawl_session (crawler.known_status(status), coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_stream_completed
  ON crawler.crawl_session (stream, coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_duration_started
  ON crawler.crawl_session (crawler.duration_step(started_at, completed_at), started_at, session_id) WHERE completed_at IS NOT NULL;
-- Not as crawl_session_completed has the time: the planner would take that for a step of which it knows no session.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_duration_completed
  ON crawler.crawl_session (crawler.duration_step(started_at, completed_at), completed_at, started_at, session_id)
  WHERE completed_at IS NOT NULL;
-- What reapers read each second. Not by lease_expires_at: each save renews it, and would then write the index too.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_leased ON crawler.crawl_session (session_id) WHERE status = 'running' AND epoch > 0;
-- What runs on a platform, the question of a dashboard, without looking through all that run (5,000 of 10,000,000, 58
-- ms, where a platform has none). Only running ones are in it: a session's start writes an entry, and what ended leaves
-- with the next vacuum.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_platform_running
  ON crawler.crawl_session (split_part(stream, '/', 1), started_at, session_id) WHERE crawler.known_status(status) = 'running';
