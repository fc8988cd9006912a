-- Begins a pass over the whole list: the token, the head and an unfinished catch-up are gone. The position and the
-- anchors stay for whoever looks. Without a checkpoint (item_id is NULL) only a kept token goes, without a revision.
-- The caller holds the lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.begin_full_pass(
  of_user text, of_stream text, item_id text, bookmarks_count integer, crawled_at timestamptz, actor text, by_session text
) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF item_id IS NULL THEN
    UPDATE crawler.crawl_state s SET page_token = NULL WHERE s.user_id = of_user AND s.stream = of_stream AND s.page_token IS NOT NULL;
    RETURN;
  END IF;
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = s.epoch, full_pass = true, full_pass_has_item = false, complete = false,
      page_token = NULL, head_list_id = NULL, opened_by_session_id = NULL, catch_up_started_at = NULL, catch_up_item_id = NULL,
      catch_up_page_token = NULL, catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, 'RESTART', 'CHECKPOINT_SAVED', actor, by_session, item_id, bookmarks_count,
    bookmarks_count, crawled_at);
END
$$;
