-- The rules that must hold under concurrency, judged and applied under row locks, one round trip each.
-- Lock order everywhere: checkpoint row, state row, session rows. Times are taken after the locks.
-- Each takes the reach of its caller (NULL: every user): the rows of other users are not found, by the same statements as rows that
-- aren't there, and are not locked.

CREATE OR REPLACE FUNCTION crawler.is_live(session crawler.crawl_session) RETURNS boolean
LANGUAGE sql VOLATILE
AS $$ SELECT session.status = 'running' AND session.epoch > 0 AND session.lease_expires_at > crawler.clock() $$;

-- A row and its state as the callers read them.
CREATE OR REPLACE FUNCTION crawler.checkpoint_json(stored crawler.crawl_checkpoint, state crawler.crawl_state) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$ SELECT to_jsonb(stored) || jsonb_build_object('state', to_jsonb(state)) $$;

CREATE OR REPLACE FUNCTION crawler.store_list(item_ids text[]) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$ INSERT INTO crawler.item_list (item_ids, recorded_at) VALUES (item_ids, crawler.clock()) RETURNING list_id $$;

-- Ends a running session whose lease has run out, as the reaper does and as startSession does over it.
CREATE OR REPLACE FUNCTION crawler.expire_session(expired_id text, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  UPDATE crawler.crawl_session s
  SET status = CASE WHEN s.stop_requested_at IS NULL THEN 'failed' ELSE 'stopped' END,
      error_message = CASE WHEN s.stop_requested_at IS NULL THEN 'lease expired' ELSE s.error_message END,
      completed_at = at, end_reason = 'LEASE_EXPIRED', lease_expires_at = NULL, rate_limited_until = NULL
  WHERE s.session_id = expired_id AND s.status = 'running'
$$;

-- Takes a JSON array of commands {place, user_id, stream, item_id, order_key, count, addition, crawled_at, session_id, page_token, head,
-- expected_version, key, fingerprint, api_requests, rate_limit_hits, rate_limited_until, importing, actor, out_of_reach}; answers one row a command, with the outcome
--   SAVED                        written, or (replayed) written before under the same key
--   BUSY                         another transaction holds a row of it and skip_busy is set; nothing was judged, send it alone
--   SESSION_NOT_FOUND, USER_NOT_FOUND, KEY_REUSED, KEY_SPENT, STALE_EPOCH (detail: the epoch), SESSION_CLOSED (session), STREAM_BUSY
--   (session: the owner), VERSION_CONFLICT (detail: the version), ORDER_VIOLATION (checkpoint), COUNT_OVERFLOW: nothing was written
-- Commands are taken by key, and in arrival order within a key.
CREATE OR REPLACE FUNCTION crawler.save_checkpoints(commands json, skip_busy boolean)
RETURNS TABLE (command integer, outcome text, created boolean, checkpoint jsonb, session jsonb, detail integer)
LANGUAGE plpgsql
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
  old_count integer;
  new_count bigint;
  moved boolean;
  before crawler.crawl_state;
  now timestamptz;
BEGIN
  IF skip_busy THEN
    -- What can't be skipped (a row that another transaction is just inserting, a user that it deletes) fails the set soon, and
    -- its commands go alone: a whole set must not wait for one of them.
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  -- The trigger leaves alone what is recorded here.
  PERFORM set_config('waymark.recorded', 'yes', true);

  FOR cmd IN
    WITH wanted AS MATERIALIZED (
      -- Callers meet in a set, so each command tells for itself whether its user exists for its caller. NULL is nobody.
      SELECT c.place, CASE WHEN c.out_of_reach THEN NULL ELSE c.user_id END AS user_id, c.stream, c.item_id, c.order_key, c.count, c.addition,
        c.crawled_at, c.session_id, c.page_token, c.head, c.expected_version, c.key, c.fingerprint, c.api_requests, c.rate_limit_hits,
        c.rate_limited_until, c.importing, c.actor
      FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
        count integer, addition integer, crawled_at timestamptz, session_id text, page_token text, head text[],
        expected_version integer, key text, fingerprint text, api_requests integer, rate_limit_hits integer,
        rate_limited_until timestamptz, importing boolean, actor text, out_of_reach boolean)
    ), stored_keys AS MATERIALIZED (
      SELECT k.user_id, k.stream FROM crawler.crawl_checkpoint k
      WHERE skip_busy AND (k.user_id, k.stream) IN (SELECT c.user_id, c.stream FROM wanted c)
    ), locked_keys AS MATERIALIZED (
      SELECT k.user_id, k.stream FROM crawler.crawl_checkpoint k
      WHERE (k.user_id, k.stream) IN (SELECT s.user_id, s.stream FROM stored_keys s)
      ORDER BY k.user_id, k.stream FOR UPDATE SKIP LOCKED
    ), stored_states AS MATERIALIZED (
      SELECT s.user_id, s.stream FROM crawler.crawl_state s
      WHERE skip_busy AND (s.user_id, s.stream) IN (SELECT c.user_id, c.stream FROM wanted c)
        -- Only to be evaluated after the checkpoints are locked.
        AND (SELECT count(*) FROM locked_keys) >= 0
    ), locked_states AS MATERIALIZED (
      SELECT s.user_id, s.stream FROM crawler.crawl_state s
      WHERE (s.user_id, s.stream) IN (SELECT t.user_id, t.stream FROM stored_states t)
      ORDER BY s.user_id, s.stream FOR UPDATE SKIP LOCKED
    ), stored_sessions AS MATERIALIZED (
      SELECT s.session_id, s.user_id FROM crawler.crawl_session s
      WHERE skip_busy AND (s.session_id, s.user_id) IN (SELECT c.session_id, c.user_id FROM wanted c)
        AND (SELECT count(*) FROM locked_states) >= 0
    ), locked_sessions AS MATERIALIZED (
      SELECT s.session_id FROM crawler.crawl_session s
      WHERE s.session_id IN (SELECT t.session_id FROM stored_sessions t)
      ORDER BY s.session_id FOR UPDATE SKIP LOCKED
    )
    SELECT c.*, setting.ordering,
      EXISTS (SELECT FROM stored_keys k WHERE (k.user_id, k.stream) = (c.user_id, c.stream))
        AND NOT EXISTS (SELECT FROM locked_keys k WHERE (k.user_id, k.stream) = (c.user_id, c.stream))
      OR EXISTS (SELECT FROM stored_states s WHERE (s.user_id, s.stream) = (c.user_id, c.stream))
        AND NOT EXISTS (SELECT FROM locked_states s WHERE (s.user_id, s.stream) = (c.user_id, c.stream))
      OR EXISTS (SELECT FROM stored_sessions s WHERE (s.session_id, s.user_id) = (c.session_id, c.user_id))
        AND NOT EXISTS (SELECT FROM locked_sessions s WHERE s.session_id = c.session_id) AS busy
    FROM wanted c LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    ORDER BY c.user_id, c.stream, c.place
  LOOP
    command := cmd.place;
    created := false;
    checkpoint := NULL;
    session := NULL;
    detail := NULL;

    IF cmd.busy THEN
      outcome := 'BUSY';
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- Again where somebody made the checkpoint or the state between the look and the write.
    LOOP
      SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream FOR UPDATE;
      stored_found := FOUND;
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
      state_found := FOUND;

      IF cmd.session_id IS NOT NULL THEN
        SELECT * INTO named FROM crawler.crawl_session s
        WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
        IF NOT FOUND THEN
          outcome := 'SESSION_NOT_FOUND';
          EXIT;
        END IF;
      END IF;
      -- The foreign key promises the user of a stored checkpoint or session.
      IF NOT stored_found AND cmd.session_id IS NULL
        AND NOT EXISTS (SELECT FROM public."user" u WHERE u.id = cmd.user_id) THEN
        outcome := 'USER_NOT_FOUND';
        EXIT;
      END IF;
      now := crawler.clock();

      IF cmd.key IS NOT NULL THEN
        SELECT * INTO seen FROM crawler.idempotency_key i
        WHERE i.user_id = cmd.user_id AND i.stream = cmd.stream AND i.key = cmd.key AND i.recorded_at > now - interval '24 hours';
        IF FOUND THEN
          IF seen.fingerprint <> cmd.fingerprint THEN
            outcome := 'KEY_REUSED';
          ELSIF NOT stored_found THEN
            outcome := 'KEY_SPENT';
          ELSE
            outcome := 'SAVED';
            created := seen.created;
            checkpoint := crawler.checkpoint_json(stored, state);
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
        IF FOUND AND crawler.is_live(owner) THEN
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
      -- Keys of another class (before the colon) do not compare.
      IF cmd.ordering = 'ascending' AND stored_found AND split_part(cmd.order_key, ':', 1) = split_part(state.order_key, ':', 1)
        AND cmd.order_key COLLATE "C" < state.order_key THEN
        outcome := 'ORDER_VIOLATION';
        checkpoint := crawler.checkpoint_json(stored, state);
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
      moved := NOT stored_found OR stored.last_tweet_id <> cmd.item_id;
      IF stored_found THEN
        UPDATE crawler.crawl_checkpoint k
        SET last_tweet_id = cmd.item_id, bookmarks_count = new_count, last_crawled_at = coalesce(cmd.crawled_at, now)
        WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream
        RETURNING k.* INTO stored;
      ELSE
        BEGIN
          INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at)
          VALUES (cmd.user_id, cmd.stream, cmd.item_id, new_count, coalesce(cmd.crawled_at, now))
          RETURNING k.* INTO stored;
          created := true;
        EXCEPTION WHEN unique_violation THEN
          -- Not ON CONFLICT: the literal table has two unique indexes, it names one, and of 8 that made the same row at once
          -- 1 % failed on the other.
          CONTINUE;
        END;
      END IF;

      before := state;
      IF created OR state.complete THEN
        state.head_list_id := NULL;
        state.opened_by_session_id := cmd.session_id;
      END IF;
      state.complete := false;
      state.page_token := cmd.page_token;
      state.order_key := cmd.order_key;
      IF cmd.importing AND cmd.head IS NOT NULL THEN
        IF (SELECT l.item_ids FROM crawler.item_list l WHERE l.list_id = state.anchor_list_id) IS DISTINCT FROM cmd.head THEN
          state.anchor_list_id := crawler.store_list(cmd.head);
        END IF;
        state.complete := true;
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      ELSIF cmd.head IS NOT NULL AND state.head_list_id IS NULL AND state.opened_by_session_id = cmd.session_id THEN
        state.head_list_id := crawler.store_list(cmd.head);
      END IF;
      IF moved OR new_count <> old_count
        OR (before.page_token, before.head_list_id, before.anchor_list_id, before.complete)
          IS DISTINCT FROM (state.page_token, state.head_list_id, state.anchor_list_id, state.complete) THEN
        state := crawler.record_change(state, CASE WHEN cmd.importing THEN 'IMPORT' ELSE 'SAVE' END, 'CHECKPOINT_SAVED', cmd.actor, cmd.session_id,
          CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END, cmd.item_id, new_count::integer, old_count, stored.last_crawled_at);
      ELSE
        -- The order key is news where another program moved the position to this item.
        UPDATE crawler.crawl_state s
        SET order_key = state.order_key, written_epoch = CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END
        WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream RETURNING s.* INTO state;
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        UPDATE crawler.crawl_session s
        SET bookmarks_added = s.bookmarks_added + coalesce(cmd.addition, 0),
            bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(cmd.addition, 0)),
            commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, now), last_save_at = now,
            bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
              ELSE least(s.bookmarks_since_first_save + greatest(new_count - old_count, 0), max_count) END,
            position_moved_at = CASE WHEN moved OR before.page_token IS DISTINCT FROM state.page_token THEN now ELSE s.position_moved_at END,
            api_requests = s.api_requests + coalesce(cmd.api_requests, 0),
            rate_limit_hits = s.rate_limit_hits + coalesce(cmd.rate_limit_hits, 0),
            heartbeat_at = now, rate_limited_until = cmd.rate_limited_until,
            lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', cmd.rate_limited_until) END
        WHERE s.session_id = cmd.session_id
        RETURNING s.* INTO named;
        session := to_jsonb(named);
      END IF;
      IF cmd.key IS NOT NULL THEN
        INSERT INTO crawler.idempotency_key AS i (user_id, stream, key, fingerprint, created, recorded_at)
        VALUES (cmd.user_id, cmd.stream, cmd.key, cmd.fingerprint, save_checkpoints.created, now)
        ON CONFLICT (user_id, stream, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, created = excluded.created, recorded_at = excluded.recorded_at;
      END IF;
      outcome := 'SAVED';
      checkpoint := crawler.checkpoint_json(stored, state);
      EXIT;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('waymark.recorded', '', true);
END
$$;

-- Takes the stream for a new session. Outcomes: STARTED (also where the key started one that still runs), USER_NOT_FOUND,
-- SESSION_EXISTS (session; NULL: out of reach), STREAM_BUSY (session: the owner).
CREATE OR REPLACE FUNCTION crawler.start_session(
  for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text,
  lease integer, by_worker text, takeover boolean, key text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, checkpoint jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
  state crawler.crawl_state;
  stored crawler.crawl_checkpoint;
  other crawler.crawl_session;
  owner crawler.crawl_session;
  started crawler.crawl_session;
  now timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = for_user AND (reach IS NULL OR u.id = ANY (reach))) THEN
    outcome := 'USER_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  state := crawler.lock_state(for_user, for_stream);
  now := crawler.clock();

  IF key IS NOT NULL THEN
    SELECT * INTO started FROM crawler.crawl_session s
    WHERE s.user_id = for_user AND s.stream = for_stream AND s.start_key = key AND s.status = 'running' AND s.session_id = state.owner_session_id;
  END IF;
  IF started.session_id IS NULL THEN
    SELECT * INTO other FROM crawler.crawl_session s WHERE s.session_id = new_id;
    IF FOUND THEN
      outcome := 'SESSION_EXISTS';
      -- Of a user that doesn't exist for the caller nothing is told but that the ID is taken.
      session := CASE WHEN reach IS NULL OR other.user_id = ANY (reach) THEN to_jsonb(other) END;
      RETURN NEXT;
      RETURN;
    END IF;

    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
      now := crawler.clock();
      IF owner.status = 'running' THEN
        IF NOT owner.lease_expires_at > now THEN
          PERFORM crawler.expire_session(owner.session_id, now);
        ELSIF takeover THEN
          UPDATE crawler.crawl_session s
          SET status = 'failed', error_message = 'taken over by session ' || new_id, completed_at = now, end_reason = 'TAKEN_OVER',
              lease_expires_at = NULL, rate_limited_until = NULL
          WHERE s.session_id = owner.session_id;
        ELSE
          outcome := 'STREAM_BUSY';
          session := to_jsonb(owner);
          RETURN NEXT;
          RETURN;
        END IF;
      END IF;
    END IF;

    UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = new_id
    WHERE s.user_id = for_user AND s.stream = for_stream RETURNING s.* INTO state;
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
    INSERT INTO crawler.crawl_session AS s (session_id, user_id, stream, started_at, status, direct_import, enable_summarization,
      output_file_path, epoch, lease_seconds, lease_expires_at, heartbeat_at, worker, attempt, resumed_from, start_key, position_moved_at)
    SELECT new_id, for_user, for_stream, now, 'running', direct, summarize, output_path, state.epoch, lease,
      now + lease * interval '1 second', now, by_worker, CASE WHEN resumes THEN owner.attempt + 1 ELSE 1 END,
      CASE WHEN resumes THEN owner.session_id END, key, now
    -- Only an incomplete checkpoint leaves something to carry on, and a session that completed left nothing.
    FROM (SELECT stored.user_id IS NOT NULL AND NOT state.complete AND owner.session_id IS NOT NULL AND owner.status <> 'completed' AS resumes) AS r
    RETURNING s.* INTO started;
  ELSE
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
  END IF;
  outcome := 'STARTED';
  session := to_jsonb(started);
  checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(stored, state) END;
  RETURN NEXT;
END
$$;

-- Outcomes: WRITTEN, SESSION_NOT_FOUND, STALE_EPOCH (detail: the epoch), SESSION_CLOSED, COUNT_OVERFLOW.
CREATE OR REPLACE FUNCTION crawler.heartbeat(
  of_session text, processed integer, more_api_requests integer, more_rate_limit_hits integer, limited_until timestamptz,
  reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  max_count CONSTANT bigint := 2147483647;
  named crawler.crawl_session;
  current_epoch integer;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT s.epoch INTO current_epoch FROM crawler.crawl_state s
  WHERE s.user_id = named.user_id AND s.stream = named.stream FOR UPDATE;
  SELECT * INTO named FROM crawler.crawl_session s
  WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach)) FOR UPDATE;
  now := crawler.clock();
  session := to_jsonb(named);
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
  ELSIF coalesce(current_epoch, 0) > named.epoch THEN
    outcome := 'STALE_EPOCH';
    detail := current_epoch;
  ELSIF named.status <> 'running' THEN
    outcome := 'SESSION_CLOSED';
  ELSIF named.api_requests::bigint + coalesce(more_api_requests, 0) > max_count
    OR named.rate_limit_hits::bigint + coalesce(more_rate_limit_hits, 0) > max_count THEN
    outcome := 'COUNT_OVERFLOW';
  ELSE
    UPDATE crawler.crawl_session s
    SET bookmarks_processed = greatest(s.bookmarks_processed, processed),
        api_requests = s.api_requests + coalesce(more_api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(more_rate_limit_hits, 0),
        heartbeat_at = now, rate_limited_until = limited_until,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', limited_until) END
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    outcome := 'WRITTEN';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$$;

-- Ends a session. Outcomes: ENDED, UNCHANGED (it has that status already), SESSION_NOT_FOUND, STALE_EPOCH (detail), SESSION_CLOSED.
-- A completed crawl's head becomes the anchors, and where no head was told, its position does.
CREATE OR REPLACE FUNCTION crawler.end_session(
  of_session text, new_status text, processed integer, output_path text, message text, actor text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  named crawler.crawl_session;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  IF new_status = 'completed' AND named.status = 'running' THEN
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = named.user_id AND k.stream = named.stream FOR UPDATE;
    state := crawler.lock_state(named.user_id, named.stream);
    IF stored.user_id IS NULL THEN
      -- The first save may have been under way at the first look; the owner row waited for it.
      SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = named.user_id AND k.stream = named.stream;
    END IF;
  ELSE
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = named.user_id AND s.stream = named.stream FOR UPDATE;
  END IF;
  SELECT * INTO named FROM crawler.crawl_session s
  WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach)) FOR UPDATE;
  now := crawler.clock();
  session := to_jsonb(named);
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
  ELSIF crawler.known_status(named.status) = new_status THEN
    outcome := 'UNCHANGED';
  ELSIF coalesce(state.epoch, 0) > named.epoch THEN
    outcome := 'STALE_EPOCH';
    detail := state.epoch;
  ELSIF named.status <> 'running' THEN
    outcome := 'SESSION_CLOSED';
  ELSE
    UPDATE crawler.crawl_session s
    SET status = new_status, completed_at = now, end_reason = 'REPORTED', lease_expires_at = NULL, rate_limited_until = NULL,
        bookmarks_processed = greatest(s.bookmarks_processed, processed),
        output_file_path = coalesce(output_path, s.output_file_path), error_message = coalesce(message, s.error_message)
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    IF stored.user_id IS NOT NULL AND NOT state.complete THEN
      state.anchor_list_id := coalesce(state.head_list_id, crawler.store_list(ARRAY[stored.last_tweet_id::text]));
      state.head_list_id := NULL;
      state.page_token := NULL;
      state.complete := true;
      state.opened_by_session_id := NULL;
      PERFORM crawler.record_change(state, 'COMPLETE', 'CHECKPOINT_SAVED', actor, of_session, named.epoch, stored.last_tweet_id,
        stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at);
    END IF;
    outcome := 'ENDED';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$$;

-- Forgets a checkpoint. Outcomes: CLEARED (checkpoint: what was), NOTHING, SESSION_NOT_FOUND, STALE_EPOCH (detail), SESSION_CLOSED,
-- STREAM_BUSY (session: the owner), VERSION_CONFLICT (detail).
CREATE OR REPLACE FUNCTION crawler.clear_checkpoint(
  of_user text, of_stream text, by_session text, expected_version integer, actor text, reach text[]
) RETURNS TABLE (outcome text, checkpoint jsonb, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  named crawler.crawl_session;
  current_version integer;
  now timestamptz;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream FOR UPDATE;
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
  current_version := CASE WHEN stored.user_id IS NULL THEN 0 ELSE state.version END;
  IF by_session IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s
    WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF NOT FOUND THEN
      outcome := 'SESSION_NOT_FOUND';
    ELSIF coalesce(state.epoch, 0) > named.epoch THEN
      outcome := 'STALE_EPOCH';
      detail := state.epoch;
    ELSIF named.status <> 'running' THEN
      outcome := 'SESSION_CLOSED';
    END IF;
  ELSIF state.owner_session_id IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    IF FOUND AND crawler.is_live(named) THEN
      outcome := 'STREAM_BUSY';
    END IF;
  END IF;
  session := to_jsonb(named);
  IF outcome IS NULL AND expected_version <> current_version THEN
    outcome := 'VERSION_CONFLICT';
    detail := current_version;
  END IF;
  IF outcome IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  now := crawler.clock();
  IF by_session IS NOT NULL THEN
    UPDATE crawler.crawl_session s
    SET heartbeat_at = now,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', s.rate_limited_until) END
    WHERE s.session_id = by_session;
  END IF;
  outcome := 'NOTHING';
  IF stored.user_id IS NOT NULL THEN
    PERFORM set_config('waymark.recorded', 'yes', true);
    DELETE FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
    PERFORM set_config('waymark.recorded', '', true);
    PERFORM crawler.record_change(crawler.cleared(state), 'CLEAR', 'CHECKPOINT_CLEARED', actor, by_session, CASE WHEN by_session IS NOT NULL THEN named.epoch ELSE 0 END,
      NULL, 0, stored.bookmarks_count, NULL);
    outcome := 'CLEARED';
    checkpoint := crawler.checkpoint_json(stored, state);
  END IF;
  RETURN NEXT;
END
$$;

-- Makes a checkpoint what it was, as a new version. Outcomes: ROLLED_BACK, UNCHANGED (it is the current version), DRY_RUN,
-- CHECKPOINT_NOT_FOUND, VERSION_AHEAD (detail: the current one), BEFORE_HISTORY, USER_NOT_FOUND, STREAM_BUSY (session),
-- VERSION_CONFLICT (detail), HISTORY_EXPIRED (detail: the oldest version kept).
CREATE OR REPLACE FUNCTION crawler.rollback_checkpoint(
  of_user text, of_stream text, to_version integer, to_time timestamptz, dry_run boolean, expected_version integer, actor text,
  reach text[]
) RETURNS TABLE (outcome text, checkpoint jsonb, session jsonb, target jsonb, revision jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  owner crawler.crawl_session;
  wanted crawler.checkpoint_revision;
  oldest crawler.checkpoint_revision;
  old_count integer;
  current_version integer;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream FOR UPDATE;
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
  current_version := CASE WHEN stored.user_id IS NULL THEN 0 ELSE state.version END;
  old_count := coalesce(stored.bookmarks_count, 0);
  IF coalesce(state.version, 0) = 0 THEN
    outcome := 'CHECKPOINT_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT * INTO oldest FROM crawler.checkpoint_revision r
  WHERE r.user_id = of_user AND r.stream = of_stream ORDER BY r.version LIMIT 1;
  IF to_version IS NOT NULL THEN
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.version = to_version;
  ELSE
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.recorded_at <= to_time ORDER BY r.version DESC LIMIT 1;
  END IF;
  IF to_version > state.version THEN
    outcome := 'VERSION_AHEAD';
    detail := state.version;
  ELSIF to_version IS NULL AND wanted.version IS NULL AND oldest.version = 1 THEN
    outcome := 'BEFORE_HISTORY';
  ELSE
    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    END IF;
    IF owner.session_id IS NOT NULL AND crawler.is_live(owner) THEN
      outcome := 'STREAM_BUSY';
      session := to_jsonb(owner);
    ELSIF expected_version <> current_version THEN
      outcome := 'VERSION_CONFLICT';
      detail := current_version;
    ELSIF wanted.version IS NULL THEN
      outcome := 'HISTORY_EXPIRED';
      detail := oldest.version;
    ELSIF wanted.last_item_id IS NOT NULL AND NOT EXISTS (SELECT FROM public."user" u WHERE u.id = of_user) THEN
      outcome := 'USER_NOT_FOUND';
    END IF;
  END IF;
  IF outcome IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  target := to_jsonb(wanted);
  IF wanted.version = state.version THEN
    outcome := 'UNCHANGED';
    checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(stored, state) END;
    RETURN NEXT;
    RETURN;
  END IF;
  state.page_token := wanted.page_token;
  state.head_list_id := wanted.head_list_id;
  state.anchor_list_id := wanted.anchor_list_id;
  state.complete := wanted.complete;
  state.order_key := wanted.order_key;
  -- The crawl that told this head is over; whoever resumes it may not tell another.
  state.opened_by_session_id := NULL;
  IF dry_run THEN
    outcome := 'DRY_RUN';
    IF wanted.last_item_id IS NOT NULL THEN
      stored.created_at := coalesce(stored.created_at, crawler.clock());
      stored.updated_at := crawler.clock();
      stored.user_id := of_user;
      stored.stream := of_stream;
      stored.last_tweet_id := wanted.last_item_id;
      stored.bookmarks_count := wanted.bookmarks_count;
      stored.last_crawled_at := coalesce(wanted.last_crawled_at, wanted.recorded_at);
      state.version := state.version + 1;
      state.written_epoch := 0;
      checkpoint := crawler.checkpoint_json(stored, state);
    END IF;
    RETURN NEXT;
    RETURN;
  END IF;

  PERFORM set_config('waymark.recorded', 'yes', true);
  IF wanted.last_item_id IS NULL THEN
    DELETE FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
  ELSIF stored.user_id IS NULL THEN
    INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at)
    VALUES (of_user, of_stream, wanted.last_item_id, wanted.bookmarks_count, coalesce(wanted.last_crawled_at, wanted.recorded_at))
    RETURNING k.* INTO stored;
  ELSE
    UPDATE crawler.crawl_checkpoint k
    SET last_tweet_id = wanted.last_item_id, bookmarks_count = wanted.bookmarks_count,
        last_crawled_at = coalesce(wanted.last_crawled_at, wanted.recorded_at)
    WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  END IF;
  PERFORM set_config('waymark.recorded', '', true);
  state := crawler.record_change(state, 'ROLLBACK', 'CHECKPOINT_ROLLED_BACK', actor, NULL, 0, wanted.last_item_id,
    wanted.bookmarks_count, old_count, stored.last_crawled_at);
  outcome := 'ROLLED_BACK';
  checkpoint := CASE WHEN wanted.last_item_id IS NOT NULL THEN crawler.checkpoint_json(stored, state) END;
  SELECT to_jsonb(r) INTO revision FROM crawler.checkpoint_revision r
  WHERE r.user_id = of_user AND r.stream = of_stream AND r.version = state.version;
  RETURN NEXT;
END
$$;

-- Ends the running sessions whose lease has run out, and answers how many. Any number of reapers may run it; one at a time does.
-- A session whose row somebody holds is being written just now; it waits for the next tick.
CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  last_tick timestamptz;
  now timestamptz;
  reaped integer := 0;
  expired record;
BEGIN
  SELECT r.ticked_at INTO last_tick FROM crawler.reaper r FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  now := crawler.clock();
  UPDATE crawler.reaper SET ticked_at = now;
  IF now - last_tick > interval '5 seconds' THEN
    -- Nobody could renew while nobody served: whoever was alive then is given a whole lease from now.
    UPDATE crawler.crawl_session s SET lease_expires_at = greatest(s.lease_expires_at, now + s.lease_seconds * interval '1 second')
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at > last_tick;
  END IF;
  FOR expired IN
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at <= now
    ORDER BY s.session_id FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM crawler.expire_session(expired.session_id, now);
    reaped := reaped + 1;
  END LOOP;
  RETURN reaped;
END
$$;

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- DROP FUNCTION IF EXISTS crawler.reap();
-- DROP FUNCTION IF EXISTS crawler.rollback_checkpoint(text, text, integer, timestamptz, boolean, integer, text, text[]);
-- DROP FUNCTION IF EXISTS crawler.clear_checkpoint(text, text, text, integer, text, text[]);
-- DROP FUNCTION IF EXISTS crawler.end_session(text, text, integer, text, text, text, text[]);
-- DROP FUNCTION IF EXISTS crawler.heartbeat(text, integer, integer, integer, timestamptz, text[]);
-- DROP FUNCTION IF EXISTS crawler.start_session(text, text, text, boolean, boolean, text, integer, text, boolean, text, text[]);
-- DROP FUNCTION IF EXISTS crawler.save_checkpoints(json, boolean);
-- DROP FUNCTION IF EXISTS crawler.expire_session(text, timestamptz);
-- DROP FUNCTION IF EXISTS crawler.store_list(text[]);
-- DROP FUNCTION IF EXISTS crawler.checkpoint_json(crawler.crawl_checkpoint, crawler.crawl_state);
-- DROP FUNCTION IF EXISTS crawler.is_live(crawler.crawl_session);
-- DELETE FROM crawler.schema_migration WHERE name = '005_crawl_functions';
-- ROLLBACK END
