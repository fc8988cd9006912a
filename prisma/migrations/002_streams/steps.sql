-- Each statement runs by itself, outside a transaction, after migration.sql; each can be repeated
-- (docs/adr/0002-migrations.md). The constant stream at the end keeps PostgreSQL from sorting above the merge of the
-- two partitions.
CREATE INDEX CONCURRENTLY IF NOT EXISTS twitter_crawl_checkpoint_crawled
  ON crawler.twitter_crawl_checkpoint (last_crawled_at, user_id, stream);
