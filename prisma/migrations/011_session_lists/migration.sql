-- 011: lists of sessions that read no more where there are 10,000,000: by completedAt, and in its order.
-- None of these is written by a save or a heartbeat; a session's start writes two entries more, its end four.

-- COMPLETED_AT_DESC by status, stream and platform (each of its streams): by crawl_session_completed alone a rare one was looked for
-- through all others (2,000,000 rows for 20, where the status is the running ones').
CREATE INDEX IF NOT EXISTS crawl_session_status_completed
  ON crawler.crawl_session (crawler.known_status(status), coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);
CREATE INDEX IF NOT EXISTS crawl_session_stream_completed
  ON crawler.crawl_session (stream, coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);

-- How long a session took, in steps of four: 1 is less than a second, 2 less than 4 s, 11 is 3 days and more. 0: nothing can be told, since
-- it ended before it started or at no finite time. Whoever knows the step knows from completedAt, to within that, when it started; so a
-- list by startedAt of those that completed before or after a time begins in each step where the first can be; and the other way round.
CREATE OR REPLACE FUNCTION crawler.duration_step(started_at timestamptz, completed_at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT CASE WHEN NOT isfinite(started_at) OR NOT isfinite(completed_at) OR completed_at < started_at THEN 0
    ELSE width_bucket(extract(epoch FROM completed_at - started_at), ARRAY[0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144]::numeric[]) END
$$;
CREATE INDEX IF NOT EXISTS crawl_session_duration_started
  ON crawler.crawl_session (crawler.duration_step(started_at, completed_at), started_at, session_id) WHERE completed_at IS NOT NULL;
-- Not as crawl_session_completed has the time: the planner would take that for a step of which it knows no session.
CREATE INDEX IF NOT EXISTS crawl_session_duration_completed
  ON crawler.crawl_session (crawler.duration_step(started_at, completed_at), completed_at, started_at, session_id)
  WHERE completed_at IS NOT NULL;

-- To take this back (docs/database.md, Rolling back). Nothing is lost.
-- ROLLBACK BEGIN
-- DROP INDEX IF EXISTS crawler.crawl_session_status_completed, crawler.crawl_session_stream_completed, crawler.crawl_session_duration_started,
--   crawler.crawl_session_duration_completed;
-- DROP FUNCTION IF EXISTS crawler.duration_step(timestamptz, timestamptz);
-- DELETE FROM crawler.schema_migration WHERE name = '011_session_lists';
-- ROLLBACK END
