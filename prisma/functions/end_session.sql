-- Ends a session. Outcomes: ENDED, UNCHANGED (it has that status already), SESSION_NOT_FOUND, STALE_EPOCH (detail),
-- SESSION_CLOSED. A completed crawl's head becomes the anchors, and where no head was told, its position does. What a
-- catch-up's head becomes is said in complete_catch_up.
CREATE OR REPLACE FUNCTION crawler.end_session(
  of_session text, new_status text, processed integer, output_path text, message text, actor text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  named crawler.crawl_session;
  locked record;
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
    SELECT * INTO locked FROM crawler.lock_checkpoint(named.user_id, named.stream);
    state := locked.state;
    IF state.user_id IS NULL THEN
      state := crawler.lock_state(named.user_id, named.stream);
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
    IF new_status = 'completed' AND coalesce(named.mode, '') = 'CATCH_UP' THEN
      PERFORM crawler.complete_catch_up(named.user_id, named.stream, named.epoch, actor, of_session, now);
    ELSIF new_status = 'completed' THEN
      PERFORM crawler.complete_crawl(named.user_id, named.stream, named.epoch, actor, of_session, now);
    END IF;
    outcome := 'ENDED';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$$;
