-- Follows what others than Waymark's functions write to checkpoints. Those record for themselves, and set
-- waymark.recorded meanwhile.
CREATE OR REPLACE FUNCTION crawler.record_foreign_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
  same_key CONSTANT boolean := TG_OP = 'UPDATE' AND (OLD.user_id, OLD.stream) = (NEW.user_id, NEW.stream);
BEGIN
  IF current_setting('waymark.recorded', true) = 'yes' THEN
    RETURN NULL;
  END IF;
  -- Another key is a clear of the old one and a save of the new one.
  IF TG_OP <> 'INSERT' AND NOT same_key THEN
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.record_clear(OLD.user_id, OLD.stream, 'EXTERNAL', NULL, NULL, 0, OLD.bookmarks_count);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id OR OLD.bookmarks_count <> NEW.bookmarks_count
      OR state.page_token IS NOT NULL OR state.complete THEN
      IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id THEN
        state.order_key := NULL;
      END IF;
      IF NOT same_key OR state.complete THEN
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      END IF;
      PERFORM crawler.record_change(NEW.user_id, NEW.stream, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, 0, NEW.last_tweet_id,
        NEW.bookmarks_count, CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at,
        NULL, state.head_list_id, state.anchor_list_id, false, state.opened_by_session_id, state.order_key);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
