-- Completes a catch-up: its head becomes the head of the unfinished crawl, which goes on from where it was. A catch-up
-- that saved nothing found nothing new: only the time moves. A head of one item could not be met again, so the old head
-- follows it. The caller holds the locks of the checkpoint and of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.complete_catch_up(
  of_user text, of_stream text, by_epoch integer, actor text, by_session text, at timestamptz
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  old_head text[];
BEGIN
  PERFORM set_config('waymark.recorded', 'yes', true);
  UPDATE crawler.crawl_checkpoint k SET last_crawled_at = at
  WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  PERFORM set_config('waymark.recorded', '', true);
  IF stored.user_id IS NULL THEN
    RETURN;
  END IF;
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream;
  IF state.catch_up_started_at IS NULL THEN
    PERFORM crawler.tell_times(of_user, of_stream, by_session, stored.last_tweet_id, stored.bookmarks_count);
    RETURN;
  END IF;
  IF state.catch_up_head_list_id IS NOT NULL AND crawler.list_length(of_user, state.catch_up_head_list_id) < 2 THEN
    SELECT l.item_ids INTO old_head FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = state.head_list_id;
    state.catch_up_head_list_id := crawler.extend_head(of_user, state.catch_up_head_list_id, coalesce(old_head, '{}'));
  END IF;
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = by_epoch, head_list_id = coalesce(state.catch_up_head_list_id, s.head_list_id),
      catch_up_started_at = NULL, catch_up_item_id = NULL, catch_up_page_token = NULL, catch_up_head_list_id = NULL,
      catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, by_session, stored.last_tweet_id,
    stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at);
END
$$;
