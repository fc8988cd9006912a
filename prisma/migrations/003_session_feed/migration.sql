-- The outbox of the session feed, written by a trigger: so that what psql, the Python project and cascades do is in it too.

-- The one clock of leases and times; taken when asked, not when the transaction began. Tests replace it.
CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$ SELECT pg_catalog.clock_timestamp() $$;

-- Adopted rows may hold a status outside the four (the CHECK is NOT VALID then): such a session reads as failed.
CREATE OR REPLACE FUNCTION crawler.known_status(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN status IN ('running', 'completed', 'stopped') THEN status ELSE 'failed' END $$;

CREATE INDEX IF NOT EXISTS crawl_session_status_started
  ON crawler.crawl_session (crawler.known_status(status), started_at, session_id);
CREATE INDEX IF NOT EXISTS crawl_session_user_status_started
  ON crawler.crawl_session (user_id, crawler.known_status(status), started_at, session_id);

-- The sum of a session's accepted bookmarksAdded, kept apart: bookmarks_processed is the greater of it and of what the crawler reported.
ALTER TABLE crawler.crawl_session ADD COLUMN IF NOT EXISTS bookmarks_added INTEGER NOT NULL DEFAULT 0;

-- A cursor names a generation and an event; after a restore a new generation makes old cursors recognisable.
CREATE TABLE IF NOT EXISTS crawler.feed (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  generation UUID NOT NULL DEFAULT gen_random_uuid(),
  started_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO crawler.feed DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS crawler.feed_event (
  event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at TIMESTAMPTZ NOT NULL,
  kind VARCHAR(50) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  session_id VARCHAR(255),
  previous_status VARCHAR(50),
  status VARCHAR(50)
);

CREATE OR REPLACE FUNCTION crawler.record_session_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Another key is another session: the old one is gone, a new one is there.
  same_session CONSTANT boolean := TG_OP = 'UPDATE'
    AND (OLD.session_id, OLD.user_id, OLD.stream) IS NOT DISTINCT FROM (NEW.session_id, NEW.user_id, NEW.stream);
BEGIN
  IF same_session AND crawler.known_status(OLD.status) = crawler.known_status(NEW.status) THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' AND NOT same_session THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), 'SESSION_DELETED', OLD.user_id, OLD.stream, OLD.session_id,
            crawler.known_status(OLD.status), crawler.known_status(OLD.status));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), CASE WHEN same_session THEN 'SESSION_STATUS_CHANGED' ELSE 'SESSION_STARTED' END,
            NEW.user_id, NEW.stream, NEW.session_id,
            CASE WHEN same_session THEN crawler.known_status(OLD.status) END, crawler.known_status(NEW.status));
  END IF;
  RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS crawl_session_feed ON crawler.crawl_session;
CREATE TRIGGER crawl_session_feed AFTER INSERT OR UPDATE OR DELETE ON crawler.crawl_session
  FOR EACH ROW EXECUTE FUNCTION crawler.record_session_event();

-- TRUNCATE fires no row trigger: the feed would never hear of it.
CREATE OR REPLACE FUNCTION crawler.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'TRUNCATE of %.% would go unnoticed by its watchers', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING HINT = 'Use DELETE.';
END
$$;

DROP TRIGGER IF EXISTS crawl_session_no_truncate ON crawler.crawl_session;
CREATE TRIGGER crawl_session_no_truncate BEFORE TRUNCATE ON crawler.crawl_session
  FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- DROP TRIGGER IF EXISTS crawl_session_feed ON crawler.crawl_session;
-- DROP TRIGGER IF EXISTS crawl_session_no_truncate ON crawler.crawl_session;
-- DROP FUNCTION IF EXISTS crawler.record_session_event();
-- DROP FUNCTION IF EXISTS crawler.refuse_truncate();
-- DROP TABLE IF EXISTS crawler.feed_event;
-- DROP TABLE IF EXISTS crawler.feed;
-- ALTER TABLE crawler.crawl_session DROP COLUMN IF EXISTS bookmarks_added;
-- DROP INDEX IF EXISTS crawler.crawl_session_status_started, crawler.crawl_session_user_status_started;
-- DROP FUNCTION IF EXISTS crawler.known_status(text);
-- DROP FUNCTION IF EXISTS crawler.clock();
-- DELETE FROM crawler.schema_migration WHERE name = '003_session_feed';
-- ROLLBACK END
