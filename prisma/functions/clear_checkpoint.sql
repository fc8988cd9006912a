-- Forgets a checkpoint. Outcomes: CLEARED (checkpoint: what was), NOTHING, SESSION_NOT_FOUND, STALE_EPOCH (detail),
-- SESSION_CLOSED, STREAM_BUSY (session: the owner), VERSION_CONFLICT (detail).
CREATE OR REPLACE FUNCTION crawler.clear_checkpoint(
  of_user text, of_stream text, by_session text, expected_version integer, actor text, reach text[]
) RETURNS TABLE (outcome text, checkpoint jsonb, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  locked record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  named crawler.crawl_session;
  current_version integer;
  now timestamptz;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO locked FROM crawler.lock_checkpoint(of_user, of_stream);
  stored := locked.stored;
  state := locked.state;
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
    IF FOUND AND crawler.is_alive(named.status, named.epoch, named.lease_expires_at, named.lease_seconds, named.heartbeat_at) THEN
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
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', s.rate_limited_until) + crawler.renewal_offset() END
    WHERE s.session_id = by_session;
  END IF;
  outcome := 'NOTHING';
  IF stored.user_id IS NOT NULL THEN
    PERFORM set_config('waymark.recorded', 'yes', true);
    DELETE FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
    PERFORM set_config('waymark.recorded', '', true);
    PERFORM crawler.record_clear(of_user, of_stream, 'CLEAR', actor, by_session,
      CASE WHEN by_session IS NOT NULL THEN named.epoch ELSE 0 END, stored.bookmarks_count);
    outcome := 'CLEARED';
    checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
  ELSIF state.user_id IS NOT NULL THEN
    -- A token that was kept for a crawl without an item, and when the list was last completed.
    UPDATE crawler.crawl_state s SET page_token = NULL, last_completed_at = NULL
    WHERE s.user_id = of_user AND s.stream = of_stream AND (s.page_token IS NOT NULL OR s.last_completed_at IS NOT NULL);
    PERFORM crawler.forget_keys(of_user, of_stream, 0);
  END IF;
  RETURN NEXT;
END
$$;
