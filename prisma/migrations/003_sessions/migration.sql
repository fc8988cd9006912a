-- 003: what a session knows beyond the original columns, and what is needed to end the silent ones.

-- Adopted rows may hold a status outside the four (the CHECK is NOT VALID then): such a session reads as failed.
CREATE OR REPLACE FUNCTION crawler.known_status(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN status IN ('running', 'completed', 'stopped') THEN status ELSE 'failed' END $$;

-- How long a session took, in steps of four: 1 is less than a second, 2 less than 4 s, 11 is 3 days and more. 0:
-- nothing can be told, since it ended before it started or at no finite time. Whoever knows the step knows from
-- completedAt, to within that, when it started; so a list by startedAt of those that completed before or after a time
-- begins in each step where the first can be; and the other way round.
CREATE OR REPLACE FUNCTION crawler.duration_step(started_at timestamptz, completed_at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN NOT isfinite(started_at) OR NOT isfinite(completed_at) OR completed_at < started_at THEN 0
    ELSE width_bucket(extract(epoch FROM completed_at - started_at), ARRAY[0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144]::numeric[]) END
$$;

-- Epoch 0 and no lease: not started through this API, owns nothing, is never reaped.
ALTER TABLE crawler.crawl_session
  -- The sum of a session's accepted bookmarksAdded, kept apart: bookmarks_processed is the greater of it and of what
  -- the crawler reported.
  ADD COLUMN IF NOT EXISTS bookmarks_added INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS epoch INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS lease_seconds INTEGER,
  ADD COLUMN IF NOT EXISTS lease_expires_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS heartbeat_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS stop_requested_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS rate_limited_until TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS worker VARCHAR(255),
  ADD COLUMN IF NOT EXISTS end_reason VARCHAR(50),
  ADD COLUMN IF NOT EXISTS attempt INTEGER NOT NULL DEFAULT 1,
  ADD COLUMN IF NOT EXISTS resumed_from VARCHAR(255),
  ADD COLUMN IF NOT EXISTS start_key VARCHAR(255),
  ADD COLUMN IF NOT EXISTS commits INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS first_save_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS last_save_at TIMESTAMPTZ,
  -- Growth of the checkpoint's count by the saves after the first: what the time from the first to the last was spent
  -- on.
  ADD COLUMN IF NOT EXISTS bookmarks_since_first_save INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS position_moved_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS api_requests INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS rate_limit_hits INTEGER NOT NULL DEFAULT 0;

-- Saves and heartbeats update rows in place (HOT): no indexed column changes. Dead rows go early.
ALTER TABLE crawler.crawl_session SET (autovacuum_vacuum_scale_factor = 0.05);

-- A zombie that wakes up after its session was pruned must not find a new session under its ID. Those that clients
-- brought themselves, other than as UUIDv7, are theirs to keep apart. About 70 bytes for each deleted session.
CREATE TABLE IF NOT EXISTS crawler.used_session_id (id UUID PRIMARY KEY);

-- When a reaper looked last, in any replica: after a gap (an outage) nobody could have renewed a lease.
CREATE TABLE IF NOT EXISTS crawler.reaper (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  ticked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO crawler.reaper DEFAULT VALUES ON CONFLICT DO NOTHING;

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.reaper;
-- DROP TABLE IF EXISTS crawler.used_session_id;
-- ALTER TABLE crawler.crawl_session RESET (autovacuum_vacuum_scale_factor);
-- ALTER TABLE crawler.crawl_session DROP COLUMN IF EXISTS bookmarks_added, DROP COLUMN IF EXISTS epoch, DROP COLUMN IF EXISTS lease_seconds,
--   DROP COLUMN IF EXISTS lease_expires_at, DROP COLUMN IF EXISTS heartbeat_at, DROP COLUMN IF EXISTS stop_requested_at,
--   DROP COLUMN IF EXISTS rate_limited_until, DROP COLUMN IF EXISTS worker, DROP COLUMN IF EXISTS end_reason,
--   DROP COLUMN IF EXISTS attempt, DROP COLUMN IF EXISTS resumed_from, DROP COLUMN IF EXISTS start_key, DROP COLUMN IF EXISTS commits,
--   DROP COLUMN IF EXISTS first_save_at, DROP COLUMN IF EXISTS last_save_at, DROP COLUMN IF EXISTS bookmarks_since_first_save,
--   DROP COLUMN IF EXISTS position_moved_at, DROP COLUMN IF EXISTS api_requests, DROP COLUMN IF EXISTS rate_limit_hits;
-- DROP INDEX IF EXISTS crawler.crawl_session_started, crawler.crawl_session_user_started, crawler.crawl_session_other_platform_started;
-- DROP INDEX IF EXISTS crawler.crawl_session_stream_started, crawler.crawl_session_user_stream_started, crawler.crawl_session_platform_started;
-- DROP FUNCTION IF EXISTS crawler.duration_step(timestamptz, timestamptz) CASCADE;
-- DROP FUNCTION IF EXISTS crawler.known_status(text) CASCADE;
-- DELETE FROM crawler.schema_migration WHERE name = '003_sessions';
-- ROLLBACK END
