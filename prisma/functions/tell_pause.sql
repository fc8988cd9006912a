-- Tells the feeds that a list was paused or unpaused: with the version that the list has (0: it never had a
-- checkpoint), and its checkpoint as it is. The caller holds the lock of the row of crawl_state, so it reads what was
-- committed last.
CREATE OR REPLACE FUNCTION crawler.tell_pause(of_user text, of_stream text, kind text, by_session text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  SELECT crawler.clock(), tell_pause.kind, s.user_id, s.stream, by_session, s.version, k.last_tweet_id, coalesce(k.bookmarks_count, 0)
  FROM crawler.crawl_state s LEFT JOIN crawler.crawl_checkpoint k ON k.user_id = s.user_id AND k.stream = s.stream
  WHERE s.user_id = of_user AND s.stream = of_stream
$$;
