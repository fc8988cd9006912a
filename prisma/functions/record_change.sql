-- Raises a checkpoint's version by one and appends the revision and the event, in the writer's transaction. The caller
-- holds the lock of the row of crawl_state; what it passes from page_token on is written there. save_plain does the
-- same for a set (docs/adr/0005-group-commit.md). `kind` is the event's. Answers the row of crawl_state as it is then.
CREATE OR REPLACE FUNCTION crawler.record_change(
  of_user text, of_stream text, source text, kind text, actor text, by_session text, by_epoch integer,
  item_id text, new_count integer, old_count integer, crawled_at timestamptz,
  new_page_token text, new_head bigint, new_anchor bigint, is_complete boolean, opened_by text, new_order_key text
) RETURNS crawler.crawl_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
  recorded_at CONSTANT timestamptz := crawler.clock();
BEGIN
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, page_token = new_page_token, head_list_id = new_head, anchor_list_id = new_anchor,
      complete = is_complete, opened_by_session_id = opened_by, written_epoch = by_epoch, order_key = new_order_key
  -- order_key is of collation "C", which a call hands to all of its arguments: without this the index would not be
  -- used.
  WHERE s.user_id = of_user COLLATE "default" AND s.stream = of_stream COLLATE "default"
  RETURNING s.* INTO state;
  INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
    page_token, head_list_id, anchor_list_id, complete, order_key, session_id, epoch, last_crawled_at, recorded_at)
  VALUES (of_user, of_stream, state.version, source, actor, item_id, new_count, greatest(new_count - old_count, 0),
    new_page_token, new_head, new_anchor, is_complete, new_order_key, by_session, by_epoch, crawled_at, recorded_at);
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  VALUES (recorded_at, kind, of_user, of_stream, by_session, state.version, item_id, new_count);
  RETURN state;
END
$$;
