-- Takes a JSON array of commands {place, user_id, stream, item_id, order_key, count, addition, crawled_at, session_id,
-- page_token, head, expected_version, key, fingerprint, api_requests, rate_limit_hits, rate_limited_until, importing,
-- actor, out_of_reach}; answers one row a command, with the outcome
--   SAVED                        written; detail 1: written before under the same key, and nothing now. Without a
--                                checkpoint: a page token was kept for a crawl that has no item yet
--   BUSY                         another transaction holds a row of it and skip_busy is set; nothing was judged, send
--                                it alone
--   SESSION_NOT_FOUND, USER_NOT_FOUND, KEY_REUSED, STALE_EPOCH (detail: the epoch), SESSION_CLOSED (session),
--   STREAM_BUSY (session: the owner), VERSION_CONFLICT (detail: the version), ORDER_VIOLATION (checkpoint),
--   COUNT_OVERFLOW: nothing was written
-- Commands of one list are taken in arrival order. A command without item_id moves the page token only. What a session
-- in mode CATCH_UP saves moves the catch-up of the state, and neither position nor head of the crawl beside it.
CREATE OR REPLACE FUNCTION crawler.save_checkpoints(commands json, skip_busy boolean)
RETURNS TABLE (command integer, outcome text, created boolean, checkpoint jsonb, session jsonb, detail integer)
LANGUAGE plpgsql
-- A partition is empty when a session plans for it, and grows afterwards: each look-up of a key then read all of it. So
-- by index only, and planned once (planned each time, a keyed save took 1.36 times as long).
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  max_count CONSTANT bigint := 2147483647;
  cmd record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  named crawler.crawl_session;
  owner crawler.crawl_session;
  seen crawler.idempotency_key;
  stored_found boolean;
  state_found boolean;
  session_found boolean;
  busy boolean;
  busy_user_id text;
  busy_stream text;
  old_count integer;
  new_count bigint;
  moved boolean;
  token_moved boolean;
  is_catch_up boolean;
  is_first_item boolean;
  -- For the search of loops: the hash of a token that differs from the one before, and whether it is kept from now on.
  token_hash bigint;
  keeps_token boolean;
  before crawler.crawl_state;
  now timestamptz;
  -- How far the lease clock is ahead.
  ahead interval;
  done integer[] := '{}';
BEGIN
  IF skip_busy THEN
    -- What can't be skipped (a row that another transaction is just inserting, a user that it deletes) fails the set
    -- soon, and its commands go alone: a whole set must not wait for one of them.
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  -- The trigger leaves alone what is recorded here.
  PERFORM set_config('waymark.recorded', 'yes', true);

  -- One alone costs less command by command.
  IF skip_busy AND json_array_length(commands) > 1 THEN
    outcome := 'SAVED';
    created := false;
    FOR command, checkpoint, session IN SELECT p.command, p.checkpoint, p.session FROM crawler.save_plain(commands) p LOOP
      RETURN NEXT;
      done := done || command;
    END LOOP;
    IF cardinality(done) = json_array_length(commands) THEN
      PERFORM set_config('waymark.recorded', '', true);
      RETURN;
    END IF;
  END IF;

  FOR cmd IN
    -- Callers meet in a set, so each command tells for itself whether its user exists for its caller. NULL is nobody.
    SELECT c.place, CASE WHEN c.out_of_reach THEN NULL ELSE c.user_id END AS user_id, c.stream, c.item_id, c.order_key, c.count, c.addition,
      c.crawled_at, c.session_id, c.page_token, c.head, c.expected_version, c.key, c.fingerprint, c.api_requests, c.rate_limit_hits,
      c.rate_limited_until, c.importing, c.actor, setting.ordering
    FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
      count integer, addition integer, crawled_at timestamptz, session_id text, page_token text, head text[],
      expected_version integer, key text, fingerprint text, api_requests integer, rate_limit_hits integer,
      rate_limited_until timestamptz, importing boolean, actor text, out_of_reach boolean)
    LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    LEFT JOIN unnest(done) AS d (place) ON d.place = c.place
    WHERE d.place IS NULL
    ORDER BY c.user_id, c.stream, c.place
  LOOP
    command := cmd.place;
    created := false;
    checkpoint := NULL;
    session := NULL;
    detail := NULL;

    -- What comes after a command that has to go alone may not overtake it.
    IF (cmd.user_id, cmd.stream) = (busy_user_id, busy_stream) THEN
      outcome := 'BUSY';
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- Again where somebody made the checkpoint or the state between the look and the write.
    LOOP
      IF skip_busy THEN
        -- Nothing is waited for, so that sets may lock their rows in any order. A row that was skipped is there, to
        -- whoever looks again without locking it.
        busy := false;
        SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream FOR UPDATE SKIP LOCKED;
        stored_found := FOUND;
        SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE SKIP LOCKED;
        state_found := FOUND;
        IF NOT stored_found THEN
          -- Skipped, or made since the look.
          busy := EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream);
        END IF;
        IF NOT state_found THEN
          busy := busy OR EXISTS (SELECT FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream);
        END IF;
        IF cmd.session_id IS NOT NULL THEN
          SELECT * INTO named FROM crawler.crawl_session s
          WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE SKIP LOCKED;
          session_found := FOUND;
          IF NOT session_found THEN
            busy := busy OR EXISTS (SELECT FROM crawler.crawl_session s
              WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream);
          END IF;
        END IF;
        IF busy THEN
          outcome := 'BUSY';
          busy_user_id := cmd.user_id;
          busy_stream := cmd.stream;
          EXIT;
        END IF;
      ELSE
        SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream FOR UPDATE;
        stored_found := FOUND;
        IF stored_found THEN
          SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
          state_found := FOUND;
        ELSE
          -- As crawler.lock_checkpoint does.
          BEGIN
            SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
            state_found := FOUND;
            IF EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream) THEN
              RAISE EXCEPTION USING ERRCODE = 'WM001';
            END IF;
          EXCEPTION WHEN SQLSTATE 'WM001' THEN
            CONTINUE;
          END;
        END IF;
        IF cmd.session_id IS NOT NULL THEN
          SELECT * INTO named FROM crawler.crawl_session s
          WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
          session_found := FOUND;
        END IF;
      END IF;
      IF cmd.session_id IS NOT NULL AND NOT session_found THEN
        outcome := 'SESSION_NOT_FOUND';
        EXIT;
      END IF;
      -- The foreign key promises the user of a stored checkpoint or session.
      IF NOT stored_found AND cmd.session_id IS NULL
        AND NOT EXISTS (SELECT FROM public."user" u WHERE u.id = cmd.user_id) THEN
        outcome := 'USER_NOT_FOUND';
        EXIT;
      END IF;
      now := crawler.clock();

      IF cmd.key IS NOT NULL THEN
        -- No unique index spans the partitions: who holds the lock of the row of crawl_state is the only one who looks
        -- and writes here. The newest: where the database's clock was set back, two may be young enough.
        SELECT * INTO seen FROM crawler.idempotency_key i
        WHERE i.user_id = cmd.user_id AND i.stream = cmd.stream AND i.key = cmd.key AND i.session_id IS NOT DISTINCT FROM cmd.session_id
          AND i.recorded_at > now - interval '24 hours'
        ORDER BY i.key_id DESC LIMIT 1;
        IF FOUND THEN
          IF seen.fingerprint <> cmd.fingerprint THEN
            outcome := 'KEY_REUSED';
          ELSE
            outcome := 'SAVED';
            detail := 1;
            created := seen.created;
            checkpoint := CASE WHEN stored_found THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
            session := CASE WHEN cmd.session_id IS NOT NULL THEN to_jsonb(named) END;
          END IF;
          EXIT;
        END IF;
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        IF coalesce(state.epoch, 0) > named.epoch THEN
          outcome := 'STALE_EPOCH';
          detail := state.epoch;
          EXIT;
        END IF;
        IF named.status <> 'running' THEN
          outcome := 'SESSION_CLOSED';
          session := to_jsonb(named);
          EXIT;
        END IF;
      ELSIF state.owner_session_id IS NOT NULL THEN
        SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
        IF FOUND AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
          outcome := 'STREAM_BUSY';
          session := to_jsonb(owner);
          EXIT;
        END IF;
      END IF;

      IF cmd.expected_version IS NOT NULL THEN
        detail := CASE WHEN stored_found THEN state.version ELSE 0 END;
        IF cmd.expected_version <> detail THEN
          outcome := 'VERSION_CONFLICT';
          EXIT;
        END IF;
        detail := NULL;
      END IF;
      is_catch_up := cmd.session_id IS NOT NULL AND coalesce(named.mode, '') = 'CATCH_UP';
      IF is_catch_up AND NOT stored_found THEN
        -- The crawl that it ran beside is gone.
        outcome := 'STALE_EPOCH';
        detail := state.epoch;
        EXIT;
      END IF;
      is_first_item := cmd.item_id IS NOT NULL AND NOT is_catch_up
        AND (NOT stored_found OR state.complete OR (state.full_pass AND NOT state.full_pass_has_item));
      -- Keys of another class (before the colon) do not compare. A full pass begins anywhere.
      IF cmd.ordering = 'ascending' AND stored_found AND cmd.item_id IS NOT NULL AND NOT is_catch_up
        AND NOT (state.full_pass AND NOT state.full_pass_has_item) AND split_part(cmd.order_key, ':', 1) = split_part(state.order_key, ':', 1)
        AND cmd.order_key COLLATE "C" < state.order_key THEN
        outcome := 'ORDER_VIOLATION';
        checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
        EXIT;
      END IF;
      old_count := CASE WHEN stored_found THEN stored.bookmarks_count ELSE 0 END;
      new_count := coalesce(cmd.count, old_count::bigint + coalesce(cmd.addition, 0));
      IF new_count > max_count OR (cmd.session_id IS NOT NULL AND (
        named.bookmarks_added::bigint + coalesce(cmd.addition, 0) > max_count
        OR named.api_requests::bigint + coalesce(cmd.api_requests, 0) > max_count
        OR named.rate_limit_hits::bigint + coalesce(cmd.rate_limit_hits, 0) > max_count)) THEN
        outcome := 'COUNT_OVERFLOW';
        EXIT;
      END IF;

      IF NOT state_found THEN
        INSERT INTO crawler.crawl_state AS s (user_id, stream) VALUES (cmd.user_id, cmd.stream) ON CONFLICT DO NOTHING RETURNING s.* INTO state;
        CONTINUE WHEN NOT FOUND;
      END IF;
      before := state;
      moved := cmd.item_id IS NOT NULL
        AND cmd.item_id IS DISTINCT FROM CASE WHEN is_catch_up THEN state.catch_up_item_id WHEN stored_found THEN stored.last_tweet_id END;
      token_moved := cmd.page_token IS DISTINCT FROM CASE WHEN is_catch_up THEN state.catch_up_page_token ELSE state.page_token END;
      IF stored_found THEN
        UPDATE crawler.crawl_checkpoint k
        SET last_tweet_id = CASE WHEN is_catch_up THEN k.last_tweet_id ELSE coalesce(cmd.item_id, k.last_tweet_id) END, bookmarks_count = new_count, last_crawled_at = coalesce(cmd.crawled_at, now)
        WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream
        RETURNING k.* INTO stored;
      ELSIF cmd.item_id IS NOT NULL THEN
        BEGIN
          INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at)
          VALUES (cmd.user_id, cmd.stream, cmd.item_id, new_count, coalesce(cmd.crawled_at, now))
          RETURNING k.* INTO stored;
          created := true;
        EXCEPTION WHEN unique_violation THEN
          -- Not ON CONFLICT: the literal table has two unique indexes, it names one, and of 8 that made the same row at
          -- once 1 % failed on the other.
          CONTINUE;
        END;
      END IF;

      IF is_catch_up THEN
        state.catch_up_started_at := coalesce(state.catch_up_started_at, now);
        IF cmd.item_id IS NOT NULL THEN
          IF state.catch_up_item_id IS NULL THEN
            state.catch_up_opened_by := cmd.session_id;
          END IF;
          state.catch_up_item_id := cmd.item_id;
          IF cmd.head IS NOT NULL AND state.catch_up_opened_by = cmd.session_id THEN
            state.catch_up_head_list_id := crawler.extend_head(cmd.user_id, state.catch_up_head_list_id, cmd.head);
          END IF;
        END IF;
        state.catch_up_page_token := cmd.page_token;
      ELSE
        IF is_first_item THEN
          state.head_list_id := NULL;
          state.opened_by_session_id := cmd.session_id;
        END IF;
        IF cmd.item_id IS NOT NULL THEN
          state.complete := false;
          state.full_pass_has_item := state.full_pass;
          state.order_key := cmd.order_key;
        END IF;
        state.page_token := cmd.page_token;
        IF cmd.importing AND cmd.head IS NOT NULL THEN
          IF (SELECT l.item_ids FROM crawler.item_list l WHERE l.user_id = cmd.user_id AND l.list_id = state.anchor_list_id) IS DISTINCT FROM cmd.head THEN
            state.anchor_list_id := crawler.store_list(cmd.user_id, cmd.head);
          END IF;
          state.complete := true;
          state.head_list_id := NULL;
          state.opened_by_session_id := NULL;
          state.full_pass := false;
          state.full_pass_has_item := false;
          state.catch_up_started_at := NULL;
          state.catch_up_item_id := NULL;
          state.catch_up_page_token := NULL;
          state.catch_up_head_list_id := NULL;
          state.catch_up_opened_by := NULL;
        ELSIF cmd.head IS NOT NULL AND cmd.item_id IS NOT NULL AND state.opened_by_session_id = cmd.session_id THEN
          state.head_list_id := crawler.extend_head(cmd.user_id, state.head_list_id, cmd.head);
        END IF;
      END IF;
      state.written_epoch := CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END;
      IF stored.user_id IS NOT NULL AND (moved OR token_moved OR new_count <> old_count
        OR (before.head_list_id, before.anchor_list_id, before.complete, before.full_pass_has_item, before.catch_up_started_at, before.catch_up_head_list_id)
          IS DISTINCT FROM (state.head_list_id, state.anchor_list_id, state.complete, state.full_pass_has_item, state.catch_up_started_at,
            state.catch_up_head_list_id)) THEN
        state.version := state.version + 1;
      END IF;
      -- Also where the version stands: the order key is news where another program moved the position to this item, and
      -- a token is kept for a crawl that has no item yet.
      UPDATE crawler.crawl_state s
      SET version = state.version, page_token = state.page_token, head_list_id = state.head_list_id, anchor_list_id = state.anchor_list_id,
          complete = state.complete, opened_by_session_id = state.opened_by_session_id, written_epoch = state.written_epoch,
          order_key = state.order_key, full_pass = state.full_pass, full_pass_has_item = state.full_pass_has_item,
          catch_up_started_at = state.catch_up_started_at, catch_up_item_id = state.catch_up_item_id,
          catch_up_page_token = state.catch_up_page_token, catch_up_head_list_id = state.catch_up_head_list_id,
          catch_up_opened_by = state.catch_up_opened_by
      WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream RETURNING s.* INTO state;
      IF state.version <> before.version THEN
        PERFORM crawler.append_revision(cmd.user_id, cmd.stream, CASE WHEN cmd.importing THEN 'IMPORT' ELSE 'SAVE' END, 'CHECKPOINT_SAVED',
          cmd.actor, cmd.session_id, stored.last_tweet_id, new_count::integer, old_count, stored.last_crawled_at);
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        ahead := crawler.renewal_offset();
        token_hash := CASE WHEN token_moved THEN hashtextextended(cmd.page_token, 0) END;
        keeps_token := token_hash IS NOT NULL AND token_hash IS DISTINCT FROM named.loop_token_hash AND named.loop_steps + 1 >= named.loop_span;
        UPDATE crawler.crawl_session s
        SET bookmarks_added = s.bookmarks_added + coalesce(cmd.addition, 0),
            bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(cmd.addition, 0)),
            commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, now), last_save_at = now,
            bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
              ELSE least(s.bookmarks_since_first_save + greatest(new_count - old_count, 0), max_count) END,
            position_moved_at = CASE WHEN moved OR token_moved THEN now + ahead ELSE s.position_moved_at END,
            -- Brent's algorithm: the 1st, 2nd, 4th, 8th ... token is kept, and how often it comes back is counted.
            loop_token_hash = CASE WHEN keeps_token THEN token_hash ELSE s.loop_token_hash END,
            loop_span = CASE WHEN keeps_token THEN greatest(least(s.loop_span, 1073741823) * 2, 1) ELSE s.loop_span END,
            loop_steps = CASE WHEN keeps_token THEN 0 WHEN token_hash IS NOT NULL THEN s.loop_steps + 1 ELSE s.loop_steps END,
            loop_hits = CASE WHEN token_hash = s.loop_token_hash THEN s.loop_hits + 1 WHEN keeps_token AND s.loop_hits < 3 THEN 0
              ELSE s.loop_hits END,
            empty_saves = CASE WHEN cmd.item_id IS NULL THEN s.empty_saves + 1 ELSE 0 END,
            -- The reaper tells of a loop with its next look.
            stall_look_at = CASE WHEN (token_hash = s.loop_token_hash AND s.loop_hits = 2) OR (cmd.item_id IS NULL AND s.empty_saves = 99)
              THEN now + ahead ELSE s.stall_look_at END,
            rate_limit_told = cmd.rate_limited_until IS NOT NULL,
            api_requests = s.api_requests + coalesce(cmd.api_requests, 0),
            rate_limit_hits = s.rate_limit_hits + coalesce(cmd.rate_limit_hits, 0),
            heartbeat_at = now, rate_limited_until = cmd.rate_limited_until,
            lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', cmd.rate_limited_until) + ahead END
        WHERE s.session_id = cmd.session_id
        RETURNING s.* INTO named;
        session := to_jsonb(named);
      END IF;
      IF cmd.key IS NOT NULL THEN
        INSERT INTO crawler.idempotency_key (user_id, stream, key, fingerprint, created, recorded_at, session_id, version)
        VALUES (cmd.user_id, cmd.stream, cmd.key, cmd.fingerprint, save_checkpoints.created, now, cmd.session_id, state.version);
      END IF;
      outcome := 'SAVED';
      checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
      EXIT;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('waymark.recorded', '', true);
END
$$;
