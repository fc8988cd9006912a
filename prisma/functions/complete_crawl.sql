-- Completes the crawl of a list: its head becomes the anchors, and where no head was told, its position does. A full
-- pass that met no item leaves the anchors. A full pass and an unfinished catch-up end with it. Where the checkpoint
-- was complete already, only the times move, unless a page token is to go: without a new version, but with an event, so
-- that views are right. The caller holds the locks of the checkpoint and of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.complete_crawl(
  of_user text, of_stream text, by_epoch integer, actor text, by_session text, at timestamptz
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  is_change boolean;
BEGIN
  PERFORM set_config('waymark.recorded', 'yes', true);
  UPDATE crawler.crawl_checkpoint k SET last_crawled_at = at
  WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  PERFORM set_config('waymark.recorded', '', true);
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream;
  is_change := stored.user_id IS NOT NULL AND (NOT state.complete OR state.page_token IS NOT NULL);
  IF is_change AND NOT state.complete AND (state.full_pass_has_item OR NOT state.full_pass) THEN
    state.anchor_list_id := coalesce(state.head_list_id, crawler.store_list(of_user, ARRAY[stored.last_tweet_id::text]));
  END IF;
  UPDATE crawler.crawl_state s
  SET last_completed_at = at, page_token = NULL, version = s.version + is_change::integer,
      written_epoch = CASE WHEN is_change THEN by_epoch ELSE s.written_epoch END,
      anchor_list_id = state.anchor_list_id, head_list_id = NULL, opened_by_session_id = NULL,
      complete = stored.user_id IS NOT NULL, full_pass = false, full_pass_has_item = false, catch_up_started_at = NULL,
      catch_up_item_id = NULL, catch_up_page_token = NULL, catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  IF is_change THEN
    PERFORM crawler.append_revision(of_user, of_stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, by_session, stored.last_tweet_id,
      stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at);
  ELSIF stored.user_id IS NOT NULL THEN
    PERFORM crawler.tell_times(of_user, of_stream, by_session, stored.last_tweet_id, stored.bookmarks_count);
  END IF;
END
$$;
