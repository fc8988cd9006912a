-- Follows what others than Waymark's functions write to checkpoints. Those record for themselves, and set
-- waymark.recorded meanwhile.
CREATE OR REPLACE FUNCTION crawler.record_foreign_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
  moves boolean;
  same_key CONSTANT boolean := TG_OP = 'UPDATE' AND (OLD.user_id, OLD.stream) = (NEW.user_id, NEW.stream);
  -- Another user of the same list: the state goes along. Tokens, heads and anchors of another list are worth nothing.
  changes_user CONSTANT boolean := TG_OP = 'UPDATE' AND OLD.user_id <> NEW.user_id AND OLD.stream = NEW.stream;
BEGIN
  IF current_setting('waymark.recorded', true) = 'yes' THEN
    RETURN NULL;
  END IF;
  IF changes_user THEN
    IF OLD.user_id COLLATE "C" < NEW.user_id THEN
      PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    END IF;
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.carry_state(OLD.user_id, NEW.user_id, NEW.stream);
    moves := OLD.last_tweet_id <> NEW.last_tweet_id;
    IF moves OR OLD.bookmarks_count <> NEW.bookmarks_count THEN
      PERFORM crawler.note_foreign_save(NEW.user_id, NEW.stream, moves, false, 0);
    END IF;
    PERFORM crawler.record_move(OLD.user_id, NEW.user_id, NEW.stream, 'EXTERNAL', NULL, NEW.last_tweet_id, NEW.bookmarks_count,
      OLD.bookmarks_count, NEW.last_crawled_at, state.version);
    RETURN NULL;
  END IF;
  -- Another list is a clear of the old one and a save of the new one.
  IF TG_OP <> 'INSERT' AND NOT same_key THEN
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.record_clear(OLD.user_id, OLD.stream, 'EXTERNAL', NULL, NULL, 0, OLD.bookmarks_count);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    moves := NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id;
    IF moves OR OLD.bookmarks_count <> NEW.bookmarks_count OR state.page_token IS NOT NULL OR state.complete THEN
      PERFORM crawler.note_foreign_save(NEW.user_id, NEW.stream, moves, NOT same_key, 1);
      PERFORM crawler.append_revision(NEW.user_id, NEW.stream, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, NEW.last_tweet_id,
        NEW.bookmarks_count, CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
