-- Records that a checkpoint was deleted: everything is forgotten but epoch, owner, version and the last start. What was
-- saved under a key is undone, so the keys go too. The caller holds the lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.record_clear(
  of_user text, of_stream text, source text, actor text, by_session text, by_epoch integer, old_count integer
) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = by_epoch, page_token = NULL, head_list_id = NULL, anchor_list_id = NULL,
      complete = false, opened_by_session_id = NULL, order_key = NULL, full_pass = false, full_pass_has_item = false,
      last_completed_at = NULL, catch_up_started_at = NULL, catch_up_item_id = NULL, catch_up_page_token = NULL,
      catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, source, 'CHECKPOINT_CLEARED', actor, by_session, NULL, 0, old_count, NULL);
  PERFORM crawler.forget_keys(of_user, of_stream, 0);
  PERFORM crawler.fence_catch_up(of_user, of_stream);
END
$$;
