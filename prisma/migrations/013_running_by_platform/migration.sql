-- What runs on a platform, the question of a dashboard, without looking through all that run (5,000 of 10,000,000, 58 ms, where a platform has none). Only
-- running ones are in it: a session's start writes an entry, and what ended leaves with the next vacuum.
CREATE INDEX IF NOT EXISTS crawl_session_platform_running
  ON crawler.crawl_session (split_part(stream, '/', 1), started_at, session_id) WHERE crawler.known_status(status) = 'running';

-- To take this back (docs/database.md, Rolling back). Nothing is lost.
-- ROLLBACK BEGIN
-- DROP INDEX IF EXISTS crawler.crawl_session_platform_running;
-- DELETE FROM crawler.schema_migration WHERE name = '013_running_by_platform';
-- ROLLBACK END
