-- 008: what the state of a crawl knows beyond one frontier: a full pass, a catch-up beside an unfinished crawl, when the
-- list was last completed and last started, and pauses.

ALTER TABLE crawler.crawl_state
  -- A pass over the whole list, to its end. Until it has an item of its own, position and anchors are of the crawl
  -- before it.
  ADD COLUMN IF NOT EXISTS full_pass BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN IF NOT EXISTS full_pass_has_item BOOLEAN NOT NULL DEFAULT FALSE,
  -- When a session that was no catch-up last completed here, with or without anything new; NULL: never.
  ADD COLUMN IF NOT EXISTS last_completed_at TIMESTAMPTZ,
  -- When a session was last started here.
  ADD COLUMN IF NOT EXISTS last_started_at TIMESTAMPTZ,
  -- The crawl of what came on top of an unfinished one. started_at is NULL where there is none.
  ADD COLUMN IF NOT EXISTS catch_up_started_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS catch_up_item_id VARCHAR(255),
  ADD COLUMN IF NOT EXISTS catch_up_page_token TEXT,
  ADD COLUMN IF NOT EXISTS catch_up_head_list_id BIGINT,
  -- The session that saved the catch-up's first item: only it may tell its head.
  ADD COLUMN IF NOT EXISTS catch_up_opened_by VARCHAR(255);

ALTER TABLE crawler.checkpoint_revision
  ADD COLUMN IF NOT EXISTS full_pass BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN IF NOT EXISTS full_pass_has_item BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN IF NOT EXISTS catch_up_started_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS catch_up_item_id VARCHAR(255),
  ADD COLUMN IF NOT EXISTS catch_up_page_token TEXT,
  ADD COLUMN IF NOT EXISTS catch_up_head_list_id BIGINT;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'checkpoint_revision_catch_up_head_list_fkey') THEN
    -- NOT VALID: the column is new, so no row can break it, and validating would read the whole history.
    ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_catch_up_head_list_fkey
      FOREIGN KEY (user_id, catch_up_head_list_id) REFERENCES crawler.item_list (user_id, list_id) NOT VALID;
    ALTER TABLE crawler.checkpoint_revision VALIDATE CONSTRAINT checkpoint_revision_catch_up_head_list_fkey;
  END IF;
END
$$;

ALTER TABLE crawler.crawl_session
  -- Of the plan that it was started with; NULL: not started through the API, or before this column.
  ADD COLUMN IF NOT EXISTS mode VARCHAR(50),
  ADD COLUMN IF NOT EXISTS plan_reason TEXT,
  ADD COLUMN IF NOT EXISTS stop_reason TEXT,
  -- Whether its tokens go round, by Brent's algorithm (crawler.save_checkpoints): a hash of the token that is kept, the
  -- tokens seen since, after how many the next one is kept, and how often the kept one has come back.
  ADD COLUMN IF NOT EXISTS loop_token_hash BIGINT,
  ADD COLUMN IF NOT EXISTS loop_steps INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS loop_span INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS loop_hits INTEGER NOT NULL DEFAULT 0,
  -- Saves without an item since the last one with an item.
  ADD COLUMN IF NOT EXISTS empty_saves INTEGER NOT NULL DEFAULT 0,
  -- When the reaper next looks whether it has stalled, and what the feeds were told of it.
  ADD COLUMN IF NOT EXISTS stall_look_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS stall_told VARCHAR(50),
  ADD COLUMN IF NOT EXISTS rate_limit_told BOOLEAN NOT NULL DEFAULT FALSE,
  -- The last version of its list before it started: what it wrote comes after that.
  ADD COLUMN IF NOT EXISTS start_version INTEGER;

-- How far the database's clock has gone back in all, as reapers have seen (crawler.lease_offset).
ALTER TABLE crawler.reaper ADD COLUMN IF NOT EXISTS clock_back INTERVAL NOT NULL DEFAULT '0';

-- A pause of a list. It needs no checkpoint, and outlives sessions and clears.
CREATE TABLE IF NOT EXISTS crawler.crawl_pause (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  until TIMESTAMPTZ NOT NULL,
  reason TEXT,
  paused_by VARCHAR(255) NOT NULL,
  PRIMARY KEY (user_id, stream),
  CONSTRAINT crawl_pause_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user" (id) ON DELETE CASCADE
);

ALTER TABLE crawler.idempotency_key
  -- The session that used the key; NULL: a save without one.
  ADD COLUMN IF NOT EXISTS session_id VARCHAR(255),
  -- The version after the save. What a rollback or a clear undid is not replayed.
  ADD COLUMN IF NOT EXISTS version INTEGER NOT NULL DEFAULT 0;

-- searchUsers looks for prefixes by code points, whatever the collation. Only the owner of the table can make its index;
-- where that is another application, docs/database.md says what it can do. Not CONCURRENTLY, which cannot depend on a
-- condition: 1 s for 1,000,000 users.
DO $$
BEGIN
  IF (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = 'public."user"'::regclass) THEN
    CREATE INDEX IF NOT EXISTS user_id_code_points ON public."user" (id COLLATE "C");
  END IF;
END
$$;

ALTER TABLE crawler.checkpoint_revision
  -- The version before this one, where a move to another user skipped some; NULL: the one below.
  ADD COLUMN IF NOT EXISTS follows_version INTEGER;

-- The part of a stream's name after the slash keeps its case from now on. No column ever folded it, so the names that
-- are stored stay as they are.

-- To take this back (docs/database.md, Rolling back). Full passes and catch-ups that are not finished are lost, and so
-- are pauses.
-- ROLLBACK BEGIN
-- DROP INDEX IF EXISTS crawler.crawl_session_end_reason_started, crawler.crawl_session_end_reason_completed,
--   crawler.crawl_session_worker_started, crawler.crawl_session_worker_completed, crawler.crawl_session_user_stream_epoch;
-- ALTER TABLE crawler.idempotency_key DROP COLUMN IF EXISTS session_id, DROP COLUMN IF EXISTS version;
-- DROP TABLE IF EXISTS crawler.crawl_pause;
-- ALTER TABLE crawler.crawl_session DROP COLUMN IF EXISTS mode, DROP COLUMN IF EXISTS plan_reason, DROP COLUMN IF EXISTS stop_reason,
--   DROP COLUMN IF EXISTS loop_token_hash, DROP COLUMN IF EXISTS loop_steps, DROP COLUMN IF EXISTS loop_span,
--   DROP COLUMN IF EXISTS loop_hits, DROP COLUMN IF EXISTS empty_saves, DROP COLUMN IF EXISTS stall_look_at,
--   DROP COLUMN IF EXISTS stall_told, DROP COLUMN IF EXISTS rate_limit_told, DROP COLUMN IF EXISTS start_version;
-- UPDATE crawler.crawl_session SET lease_expires_at = lease_expires_at - (SELECT clock_back FROM crawler.reaper)
--   WHERE status = 'running' AND epoch > 0;
-- ALTER TABLE crawler.reaper DROP COLUMN IF EXISTS clock_back;
-- ALTER TABLE crawler.checkpoint_revision DROP COLUMN IF EXISTS follows_version;
-- ALTER TABLE crawler.checkpoint_revision DROP COLUMN IF EXISTS full_pass, DROP COLUMN IF EXISTS full_pass_has_item,
--   DROP COLUMN IF EXISTS catch_up_started_at, DROP COLUMN IF EXISTS catch_up_item_id, DROP COLUMN IF EXISTS catch_up_page_token,
--   DROP COLUMN IF EXISTS catch_up_head_list_id;
-- ALTER TABLE crawler.crawl_state DROP COLUMN IF EXISTS full_pass, DROP COLUMN IF EXISTS full_pass_has_item,
--   DROP COLUMN IF EXISTS last_completed_at, DROP COLUMN IF EXISTS last_started_at,
--   DROP COLUMN IF EXISTS catch_up_started_at, DROP COLUMN IF EXISTS catch_up_item_id, DROP COLUMN IF EXISTS catch_up_page_token,
--   DROP COLUMN IF EXISTS catch_up_head_list_id, DROP COLUMN IF EXISTS catch_up_opened_by;
-- DROP INDEX IF EXISTS public.user_id_code_points;
-- DELETE FROM crawler.schema_migration WHERE name = '008_lists';
-- ROLLBACK END
