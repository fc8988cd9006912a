-- Who owns a crawl, what a checkpoint knows beyond the literal columns, and the history of every change by anybody.

-- One row per (user, stream). It outlives a clear, and the user: an epoch that began anew at 1 would let a zombie match by accident.
-- What the crawl contract adds to a checkpoint lives here and not in the literal table, so that a trigger can follow a foreign write
-- of that table without writing the row again.
CREATE TABLE IF NOT EXISTS crawler.crawl_state (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  -- Of the last startSession; the fence.
  epoch INTEGER NOT NULL DEFAULT 0,
  owner_session_id VARCHAR(255),
  -- Of the last change; raised by record_change only.
  version INTEGER NOT NULL DEFAULT 0,
  page_token TEXT,
  head_list_id BIGINT,
  anchor_list_id BIGINT,
  complete BOOLEAN NOT NULL DEFAULT FALSE,
  -- The session whose save made the checkpoint incomplete: only it may tell the head.
  opened_by_session_id VARCHAR(255),
  -- Epoch of the session that wrote the checkpoint last; 0: none.
  written_epoch INTEGER NOT NULL DEFAULT 0,
  -- The position as text that compares byte by byte as the platform's IDs do; NULL: unknown.
  order_key TEXT COLLATE "C",
  PRIMARY KEY (user_id, stream)
) WITH (fillfactor = 70);

-- Who still refers to a list, for those that prune it.
CREATE INDEX IF NOT EXISTS crawl_state_head ON crawler.crawl_state (head_list_id) WHERE head_list_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS crawl_state_anchor ON crawler.crawl_state (anchor_list_id) WHERE anchor_list_id IS NOT NULL;

-- Heads and anchors, stored once and referenced: a crawl's head is in each of its revisions.
CREATE TABLE IF NOT EXISTS crawler.item_list (
  list_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item_ids TEXT[] NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS crawler.checkpoint_revision (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  version INTEGER NOT NULL,
  source VARCHAR(50) NOT NULL,
  actor VARCHAR(255),
  -- NULL: cleared.
  last_item_id VARCHAR(255),
  bookmarks_count INTEGER NOT NULL,
  -- Growth of bookmarks_count; shrinking counts 0.
  bookmarks_added INTEGER NOT NULL,
  page_token TEXT,
  head_list_id BIGINT REFERENCES crawler.item_list (list_id),
  anchor_list_id BIGINT REFERENCES crawler.item_list (list_id),
  complete BOOLEAN NOT NULL,
  order_key TEXT COLLATE "C",
  session_id VARCHAR(255),
  epoch INTEGER NOT NULL,
  last_crawled_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (user_id, stream, version)
);
CREATE INDEX IF NOT EXISTS checkpoint_revision_recorded ON crawler.checkpoint_revision (recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_user_recorded ON crawler.checkpoint_revision (user_id, recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_stream_recorded ON crawler.checkpoint_revision (stream, recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_head ON crawler.checkpoint_revision (head_list_id) WHERE head_list_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS checkpoint_revision_anchor ON crawler.checkpoint_revision (anchor_list_id) WHERE anchor_list_id IS NOT NULL;

ALTER TABLE crawler.feed_event
  ADD COLUMN IF NOT EXISTS version INTEGER,
  ADD COLUMN IF NOT EXISTS last_item_id VARCHAR(255),
  ADD COLUMN IF NOT EXISTS bookmarks_count INTEGER;

-- A repeat of a save is recognised by its key, for 24 h.
CREATE TABLE IF NOT EXISTS crawler.idempotency_key (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  key VARCHAR(255) NOT NULL,
  fingerprint TEXT NOT NULL,
  created BOOLEAN NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (user_id, stream, key)
);
CREATE INDEX IF NOT EXISTS idempotency_key_recorded ON crawler.idempotency_key (recorded_at);

CREATE TABLE IF NOT EXISTS crawler.stream_setting (
  stream VARCHAR(255) PRIMARY KEY,
  ordering VARCHAR(50) NOT NULL DEFAULT 'none' CONSTRAINT stream_setting_ordering_is_known CHECK (ordering::text IN ('none', 'ascending'))
);

-- When a reaper looked last, in any replica: after a gap (an outage) nobody could have renewed a lease.
CREATE TABLE IF NOT EXISTS crawler.reaper (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  ticked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
INSERT INTO crawler.reaper DEFAULT VALUES ON CONFLICT DO NOTHING;

-- Epoch 0 and no lease: not started through this API, owns nothing, is never reaped.
ALTER TABLE crawler.crawl_session
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
  -- Growth of the checkpoint's count by the saves after the first: what the time from the first to the last was spent on.
  ADD COLUMN IF NOT EXISTS bookmarks_since_first_save INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS position_moved_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS api_requests INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS rate_limit_hits INTEGER NOT NULL DEFAULT 0;

-- Running sessions last in descending order, by when they started.
CREATE INDEX IF NOT EXISTS crawl_session_completed
  ON crawler.crawl_session (coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id);
-- What reapers read each second. Not by lease_expires_at: each save renews it, and would then write the index too.
CREATE INDEX IF NOT EXISTS crawl_session_leased ON crawler.crawl_session (session_id) WHERE status = 'running' AND epoch > 0;

-- The one place where a version is taken: raises it, and appends revision and event in the writer's transaction. The caller holds
-- the state row's lock. `kind` is the event's.
CREATE OR REPLACE FUNCTION crawler.record_change(
  state crawler.crawl_state, source text, kind text, actor text, session_id text, epoch integer,
  item_id text, new_count integer, old_count integer, crawled_at timestamptz
) RETURNS crawler.crawl_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  recorded_at CONSTANT timestamptz := crawler.clock();
BEGIN
  state.version := state.version + 1;
  state.written_epoch := epoch;
  UPDATE crawler.crawl_state s
  SET version = state.version, page_token = state.page_token, head_list_id = state.head_list_id,
      anchor_list_id = state.anchor_list_id, complete = state.complete, opened_by_session_id = state.opened_by_session_id,
      written_epoch = state.written_epoch, order_key = state.order_key
  WHERE s.user_id = state.user_id AND s.stream = state.stream;
  INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
    page_token, head_list_id, anchor_list_id, complete, order_key, session_id, epoch, last_crawled_at, recorded_at)
  VALUES (state.user_id, state.stream, state.version, source, actor, item_id, new_count, greatest(new_count - old_count, 0),
    state.page_token, state.head_list_id, state.anchor_list_id, state.complete, state.order_key, session_id, epoch, crawled_at, recorded_at);
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  VALUES (recorded_at, kind, state.user_id, state.stream, session_id, state.version, item_id, new_count);
  RETURN state;
END
$$;

-- Makes the state row where there is none, and locks it.
CREATE OR REPLACE FUNCTION crawler.lock_state(of_user text, of_stream text) RETURNS crawler.crawl_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
BEGIN
  LOOP
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF FOUND THEN
      RETURN state;
    END IF;
    INSERT INTO crawler.crawl_state (user_id, stream) VALUES (of_user, of_stream) ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;

-- Forgets everything but epoch, owner and version, as a clear does.
CREATE OR REPLACE FUNCTION crawler.cleared(state crawler.crawl_state) RETURNS crawler.crawl_state
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  state.page_token := NULL;
  state.head_list_id := NULL;
  state.anchor_list_id := NULL;
  state.complete := FALSE;
  state.opened_by_session_id := NULL;
  state.order_key := NULL;
  RETURN state;
END
$$;

-- Follows what others than Waymark's functions write. Those record for themselves, and say so for the length of one statement.
CREATE OR REPLACE FUNCTION crawler.record_foreign_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
  same_key CONSTANT boolean := TG_OP = 'UPDATE' AND (OLD.user_id, OLD.stream) = (NEW.user_id, NEW.stream);
BEGIN
  IF current_setting('waymark.recorded', true) = 'yes' THEN
    RETURN NULL;
  END IF;
  -- Another key is a clear of the old one and a save of the new one.
  IF TG_OP <> 'INSERT' AND NOT same_key THEN
    state := crawler.cleared(crawler.lock_state(OLD.user_id, OLD.stream));
    PERFORM crawler.record_change(state, 'EXTERNAL', 'CHECKPOINT_CLEARED', NULL, NULL, 0, NULL, 0, OLD.bookmarks_count, NULL);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id OR OLD.bookmarks_count <> NEW.bookmarks_count
      OR state.page_token IS NOT NULL OR state.complete THEN
      IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id THEN
        state.order_key := NULL;
      END IF;
      IF NOT same_key OR state.complete THEN
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      END IF;
      state.page_token := NULL;
      state.complete := FALSE;
      PERFORM crawler.record_change(state, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, 0, NEW.last_tweet_id, NEW.bookmarks_count,
        CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
END
$$;

-- Adopted checkpoints: where they stand now is their first revision. Before the trigger, under a lock, so that none is missed or met twice.
LOCK TABLE crawler.crawl_checkpoint IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO crawler.crawl_state (user_id, stream, version)
SELECT c.user_id, c.stream, 1 FROM crawler.crawl_checkpoint c ON CONFLICT DO NOTHING;
INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete, epoch,
  last_crawled_at, recorded_at)
SELECT c.user_id, c.stream, 1, 'EXTERNAL', c.last_tweet_id, c.bookmarks_count, 0, FALSE, 0, c.last_crawled_at, crawler.clock()
FROM crawler.crawl_checkpoint c
WHERE NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE (r.user_id, r.stream) = (c.user_id, c.stream));

DO $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = 'crawler.crawl_checkpoint'::regclass AND tgname = 'crawl_checkpoint_history'
  ) THEN
    CREATE TRIGGER crawl_checkpoint_history AFTER INSERT OR UPDATE OR DELETE ON crawler.crawl_checkpoint
      FOR EACH ROW EXECUTE FUNCTION crawler.record_foreign_write();
  END IF;
END
$$;
DO $$
DECLARE
  truncatable regclass;
BEGIN
  FOREACH truncatable IN ARRAY ARRAY['crawler.crawl_checkpoint', 'crawler.twitter_crawl_checkpoint', 'crawler.crawl_checkpoint_other']::regclass[] LOOP
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = truncatable AND tgname = 'crawl_checkpoint_no_truncate') THEN
      EXECUTE format('CREATE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate()', truncatable);
    END IF;
  END LOOP;
END
$$;

-- To take this back (docs/database.md, Rolling back). The history is lost.
-- ROLLBACK BEGIN
-- DROP TRIGGER IF EXISTS crawl_checkpoint_history ON crawler.crawl_checkpoint;
-- DROP TRIGGER IF EXISTS crawl_checkpoint_no_truncate ON crawler.crawl_checkpoint;
-- DROP TRIGGER IF EXISTS crawl_checkpoint_no_truncate ON crawler.twitter_crawl_checkpoint;
-- DROP TRIGGER IF EXISTS crawl_checkpoint_no_truncate ON crawler.crawl_checkpoint_other;
-- DROP FUNCTION IF EXISTS crawler.record_foreign_write();
-- DROP FUNCTION IF EXISTS crawler.cleared(crawler.crawl_state);
-- DROP FUNCTION IF EXISTS crawler.lock_state(text, text);
-- DROP FUNCTION IF EXISTS crawler.record_change(crawler.crawl_state, text, text, text, text, integer, text, integer, integer, timestamptz);
-- DELETE FROM crawler.feed_event WHERE kind LIKE 'CHECKPOINT_%';
-- ALTER TABLE crawler.feed_event DROP COLUMN IF EXISTS version, DROP COLUMN IF EXISTS last_item_id, DROP COLUMN IF EXISTS bookmarks_count;
-- DROP INDEX IF EXISTS crawler.crawl_session_completed, crawler.crawl_session_leased;
-- ALTER TABLE crawler.crawl_session DROP COLUMN IF EXISTS epoch, DROP COLUMN IF EXISTS lease_seconds,
--   DROP COLUMN IF EXISTS lease_expires_at, DROP COLUMN IF EXISTS heartbeat_at, DROP COLUMN IF EXISTS stop_requested_at,
--   DROP COLUMN IF EXISTS rate_limited_until, DROP COLUMN IF EXISTS worker, DROP COLUMN IF EXISTS end_reason,
--   DROP COLUMN IF EXISTS attempt, DROP COLUMN IF EXISTS resumed_from, DROP COLUMN IF EXISTS start_key, DROP COLUMN IF EXISTS commits,
--   DROP COLUMN IF EXISTS first_save_at, DROP COLUMN IF EXISTS last_save_at, DROP COLUMN IF EXISTS bookmarks_since_first_save,
--   DROP COLUMN IF EXISTS position_moved_at, DROP COLUMN IF EXISTS api_requests, DROP COLUMN IF EXISTS rate_limit_hits;
-- DROP TABLE IF EXISTS crawler.reaper;
-- DROP TABLE IF EXISTS crawler.stream_setting;
-- DROP TABLE IF EXISTS crawler.idempotency_key;
-- DROP TABLE IF EXISTS crawler.checkpoint_revision;
-- DROP TABLE IF EXISTS crawler.item_list;
-- DROP TABLE IF EXISTS crawler.crawl_state;
-- DELETE FROM crawler.schema_migration WHERE name = '004_ownership_and_history';
-- ROLLBACK END
