-- Gives the checkpoints that were there before their first revision: where they stand now, by somebody else. Under a
-- lock, so that no write is missed between this and the trigger, or recorded twice. Later this finds the trigger and
-- does nothing.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'crawler.crawl_checkpoint'::regclass AND tgname = 'crawl_checkpoint_history') THEN
    RETURN;
  END IF;
  LOCK TABLE crawler.crawl_checkpoint IN SHARE ROW EXCLUSIVE MODE;
  WITH adopted AS (
    INSERT INTO crawler.crawl_state AS s (user_id, stream, version)
    SELECT c.user_id, c.stream, 1 FROM crawler.crawl_checkpoint c
    -- A migration gives each checkpoint its state, before the first revision.
    ON CONFLICT (user_id, stream) DO UPDATE SET version = 1 WHERE s.version = 0 RETURNING s.user_id, s.stream
  )
  INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete, epoch,
    last_crawled_at, recorded_at)
  SELECT c.user_id, c.stream, 1, 'EXTERNAL', c.last_tweet_id, c.bookmarks_count, 0, FALSE, 0, c.last_crawled_at, crawler.clock()
  FROM crawler.crawl_checkpoint c JOIN adopted USING (user_id, stream);
END
$$;

CREATE OR REPLACE TRIGGER crawl_checkpoint_history AFTER INSERT OR UPDATE OR DELETE ON crawler.crawl_checkpoint
  FOR EACH ROW EXECUTE FUNCTION crawler.record_foreign_write();
