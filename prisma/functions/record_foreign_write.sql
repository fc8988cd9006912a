-- Follows what others than Waymark's functions write to checkpoints. Those record for themselves, and set
-- waymark.recorded meanwhile.
CREATE OR REPLACE FUNCTION crawler.record_foreign_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
  moves boolean;
  begins boolean;
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
    moves := NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id;
    IF moves OR OLD.bookmarks_count <> NEW.bookmarks_count OR state.page_token IS NOT NULL OR state.complete THEN
      -- A position that moves is an item of a full pass, and its first one begins the crawl.
      begins := NOT same_key OR state.complete OR (moves AND state.full_pass AND NOT state.full_pass_has_item);
      UPDATE crawler.crawl_state s
      SET version = s.version + 1, written_epoch = 0, page_token = NULL, complete = false,
          order_key = CASE WHEN moves THEN NULL ELSE s.order_key END,
          head_list_id = CASE WHEN begins THEN NULL ELSE s.head_list_id END,
          opened_by_session_id = CASE WHEN begins THEN NULL ELSE s.opened_by_session_id END,
          full_pass_has_item = s.full_pass AND (s.full_pass_has_item OR moves)
      WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream;
      PERFORM crawler.append_revision(NEW.user_id, NEW.stream, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, NEW.last_tweet_id,
        NEW.bookmarks_count, CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
