-- Appends the revision of a change and its event, in the writer's transaction. The caller holds the lock of the row of
-- crawl_state and has written the change there, with version + 1 and written_epoch: the revision copies that row.
-- save_plain does the same for a set (docs/adr/0005-group-commit.md). `kind` is the event's.
CREATE OR REPLACE FUNCTION crawler.append_revision(
  of_user text, of_stream text, source text, kind text, actor text, by_session text,
  item_id text, new_count integer, old_count integer, crawled_at timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  recorded_at CONSTANT timestamptz := crawler.clock();
  new_version integer;
BEGIN
  INSERT INTO crawler.checkpoint_revision AS r (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
    page_token, head_list_id, anchor_list_id, complete, full_pass, full_pass_has_item, catch_up_started_at, catch_up_item_id,
    catch_up_page_token, catch_up_head_list_id, order_key, session_id, epoch, last_crawled_at, recorded_at)
  SELECT s.user_id, s.stream, s.version, append_revision.source, append_revision.actor, item_id, new_count, greatest(new_count - old_count, 0),
    s.page_token, s.head_list_id, s.anchor_list_id, s.complete, s.full_pass, s.full_pass_has_item, s.catch_up_started_at,
    s.catch_up_item_id, s.catch_up_page_token, s.catch_up_head_list_id, s.order_key, by_session, s.written_epoch, crawled_at, recorded_at
  FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream
  RETURNING r.version INTO new_version;
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  VALUES (recorded_at, append_revision.kind, of_user, of_stream, by_session, new_version, item_id, new_count);
END
$$;
