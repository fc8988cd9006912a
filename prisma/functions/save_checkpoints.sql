-- Takes a JSON array of commands {place, user_id, stream, item_id, order_key, count, addition, crawled_at, session_id,
-- page_token, head, expected_version, key, fingerprint, api_requests, rate_limit_hits, rate_limited_until, importing,
-- actor, out_of_reach}; answers one row a command, with the outcome
--   SAVED                        written, or (replayed) written before under the same key
--   BUSY                         another transaction holds a row of it and skip_busy is set; nothing was judged, send it alone
--   SESSION_NOT_FOUND, USER_NOT_FOUND, KEY_REUSED, KEY_SPENT, STALE_EPOCH (detail: the epoch), SESSION_CLOSED (session), STREAM_BUSY
--   (session: the owner), VERSION_CONFLICT (detail: the version), ORDER_VIOLATION (checkpoint), COUNT_OVERFLOW: nothing was written
-- Commands of one key are taken in arrival order.
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
  before crawler.crawl_state;
  now timestamptz;
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
        WHERE i.user_id = cmd.user_id AND i.stream = cmd.stream AND i.key = cmd.key AND i.recorded_at > now - interval '24 hours'
        ORDER BY i.key_id DESC LIMIT 1;
        IF FOUND THEN
          IF seen.fingerprint <> cmd.fingerprint THEN
            outcome := 'KEY_REUSED';
          ELSIF NOT stored_found THEN
            outcome := 'KEY_SPENT';
          ELSE
            outcome := 'SAVED';
            created := seen.created;
            checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
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
        IF FOUND AND crawler.is_live(owner.status, owner.epoch, owner.lease_expires_at) THEN
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
          -- Not ON CONFLICT: the literal table has two unique indexes, it names one, and of 8 that made the same row at
          -- once 1 % failed on the other.
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
        IF (SELECT l.item_ids FROM crawler.item_list l WHERE l.user_id = cmd.user_id AND l.list_id = state.anchor_list_id) IS DISTINCT FROM cmd.head THEN
          state.anchor_list_id := crawler.store_list(cmd.user_id, cmd.head);
        END IF;
        state.complete := true;
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      ELSIF cmd.head IS NOT NULL AND state.head_list_id IS NULL AND state.opened_by_session_id = cmd.session_id THEN
        state.head_list_id := crawler.store_list(cmd.user_id, cmd.head);
      END IF;
      IF moved OR new_count <> old_count
        OR (before.page_token, before.head_list_id, before.anchor_list_id, before.complete)
          IS DISTINCT FROM (state.page_token, state.head_list_id, state.anchor_list_id, state.complete) THEN
        state := crawler.record_change(cmd.user_id, cmd.stream, CASE WHEN cmd.importing THEN 'IMPORT' ELSE 'SAVE' END, 'CHECKPOINT_SAVED',
          cmd.actor, cmd.session_id, CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END,
          cmd.item_id, new_count::integer, old_count, stored.last_crawled_at,
          state.page_token, state.head_list_id, state.anchor_list_id, state.complete, state.opened_by_session_id, state.order_key);
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
        INSERT INTO crawler.idempotency_key (user_id, stream, key, fingerprint, created, recorded_at)
        VALUES (cmd.user_id, cmd.stream, cmd.key, cmd.fingerprint, save_checkpoints.created, now);
      END IF;
      outcome := 'SAVED';
      checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
      EXIT;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('waymark.recorded', '', true);
END
$$;
