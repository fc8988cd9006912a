-- Makes a checkpoint what it was, as a new version. Outcomes: ROLLED_BACK, UNCHANGED (it is the current version),
-- DRY_RUN, CHECKPOINT_NOT_FOUND, VERSION_AHEAD (detail: the current one), VERSION_SKIPPED (by a move; detail: the next
-- one), BEFORE_HISTORY, USER_NOT_FOUND, STREAM_BUSY (session), VERSION_CONFLICT (detail), HISTORY_EXPIRED (detail: the
-- oldest version kept).
CREATE OR REPLACE FUNCTION crawler.rollback_checkpoint(
  of_user text, of_stream text, to_version integer, to_time timestamptz, dry_run boolean, expected_version integer, actor text,
  reach text[]
) RETURNS TABLE (outcome text, checkpoint jsonb, session jsonb, target jsonb, revision jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  locked record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  owner crawler.crawl_session;
  wanted crawler.checkpoint_revision;
  oldest crawler.checkpoint_revision;
  following crawler.checkpoint_revision;
  old_count integer;
  current_version integer;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO locked FROM crawler.lock_checkpoint(of_user, of_stream);
  stored := locked.stored;
  state := locked.state;
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
    IF NOT FOUND THEN
      SELECT * INTO following FROM crawler.checkpoint_revision r
      WHERE r.user_id = of_user AND r.stream = of_stream AND r.version > to_version ORDER BY r.version LIMIT 1;
    END IF;
  ELSE
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.recorded_at <= to_time ORDER BY r.version DESC LIMIT 1;
  END IF;
  IF to_version > state.version THEN
    outcome := 'VERSION_AHEAD';
    detail := state.version;
  ELSIF following.follows_version < to_version THEN
    outcome := 'VERSION_SKIPPED';
    detail := following.version;
  ELSIF to_version IS NULL AND wanted.version IS NULL AND (oldest.version = 1 OR oldest.follows_version = 0) THEN
    outcome := 'BEFORE_HISTORY';
  ELSE
    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    END IF;
    IF owner.session_id IS NOT NULL AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
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
    IF wanted.last_item_id IS NULL AND NOT dry_run THEN
      -- What was kept or saved since the clear.
      UPDATE crawler.crawl_state s SET page_token = NULL WHERE s.user_id = of_user AND s.stream = of_stream AND s.page_token IS NOT NULL;
      PERFORM crawler.forget_keys(of_user, of_stream, 0);
    END IF;
    checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
    RETURN NEXT;
    RETURN;
  END IF;
  state.page_token := wanted.page_token;
  state.head_list_id := wanted.head_list_id;
  state.anchor_list_id := wanted.anchor_list_id;
  state.complete := wanted.complete;
  state.full_pass := wanted.full_pass;
  state.full_pass_has_item := wanted.full_pass_has_item;
  state.catch_up_started_at := wanted.catch_up_started_at;
  state.catch_up_item_id := wanted.catch_up_item_id;
  state.catch_up_page_token := wanted.catch_up_page_token;
  state.catch_up_head_list_id := wanted.catch_up_head_list_id;
  state.order_key := wanted.order_key;
  -- The crawl that told this head is over; whoever resumes it may not tell another.
  state.opened_by_session_id := NULL;
  state.catch_up_opened_by := NULL;
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
      checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
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
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = 0, page_token = state.page_token, head_list_id = state.head_list_id,
      anchor_list_id = state.anchor_list_id, complete = state.complete, opened_by_session_id = NULL, order_key = state.order_key,
      full_pass = state.full_pass, full_pass_has_item = state.full_pass_has_item, catch_up_started_at = state.catch_up_started_at,
      catch_up_item_id = state.catch_up_item_id, catch_up_page_token = state.catch_up_page_token,
      catch_up_head_list_id = state.catch_up_head_list_id, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream RETURNING s.* INTO state;
  PERFORM crawler.append_revision(of_user, of_stream, 'ROLLBACK', 'CHECKPOINT_ROLLED_BACK', actor, NULL, wanted.last_item_id,
    wanted.bookmarks_count, old_count, stored.last_crawled_at);
  -- What is undone is not replayed.
  PERFORM crawler.forget_keys(of_user, of_stream, CASE WHEN wanted.last_item_id IS NULL THEN 0 ELSE wanted.version END);
  outcome := 'ROLLED_BACK';
  checkpoint := CASE WHEN wanted.last_item_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
  SELECT to_jsonb(r) INTO revision FROM crawler.checkpoint_revision r
  WHERE r.user_id = of_user AND r.stream = of_stream AND r.version = state.version;
  RETURN NEXT;
END
$$;
