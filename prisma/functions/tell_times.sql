-- Tells the feeds that only times of a checkpoint have moved: the event of a save, with the version that it has.
CREATE OR REPLACE FUNCTION crawler.tell_times(
  of_user text, of_stream text, by_session text, item_id text, bookmarks_count integer
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  SELECT crawler.clock(), 'CHECKPOINT_SAVED', s.user_id, s.stream, by_session, s.version, item_id, bookmarks_count
  FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream
$$;
