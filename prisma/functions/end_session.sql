-- Ends a session. Outcomes: ENDED, UNCHANGED (it has that status already), SESSION_NOT_FOUND, STALE_EPOCH (detail),
-- SESSION_CLOSED. A completed crawl's head becomes the anchors, and where no head was told, its position does.
CREATE OR REPLACE FUNCTION crawler.end_session(
  of_session text, new_status text, processed integer, output_path text, message text, actor text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  named crawler.crawl_session;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  anchor bigint;
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
      anchor := coalesce(state.head_list_id, crawler.store_list(named.user_id, ARRAY[stored.last_tweet_id::text]));
      PERFORM crawler.record_change(named.user_id, named.stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, of_session, named.epoch,
        stored.last_tweet_id, stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at,
        NULL, NULL, anchor, true, NULL, state.order_key);
    END IF;
    outcome := 'ENDED';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$$;
