-- What migration.sql would do with a table with rows while it holds its lock. Each statement runs by itself, before
-- migration.sql, and can be repeated (docs/adr/0002-migrations.md). The literal table gets the unique index that the
-- parent asks of a partition, with a constraint, without which ATTACH would make another one.
DO $$ BEGIN IF NOT (SELECT relispartition FROM pg_class WHERE oid = 'crawler.twitter_crawl_checkpoint'::regclass) THEN ALTER TABLE crawler.twitter_crawl_checkpoint ADD COLUMN IF NOT EXISTS stream VARCHAR(255) NOT NULL DEFAULT 'twitter/bookmarks'; END IF; END $$;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS twitter_crawl_checkpoint_user_id_stream_key
  ON crawler.twitter_crawl_checkpoint (user_id, stream);
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'twitter_crawl_checkpoint_user_id_stream_key') THEN ALTER TABLE crawler.twitter_crawl_checkpoint ADD CONSTRAINT twitter_crawl_checkpoint_user_id_stream_key UNIQUE USING INDEX twitter_crawl_checkpoint_user_id_stream_key; END IF; END $$;
-- With this ATTACH need not read the table. It goes before migration 003.
DO $$ BEGIN IF NOT (SELECT relispartition FROM pg_class WHERE oid = 'crawler.twitter_crawl_checkpoint'::regclass) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'twitter_crawl_checkpoint_stream_is_its') THEN ALTER TABLE crawler.twitter_crawl_checkpoint ADD CONSTRAINT twitter_crawl_checkpoint_stream_is_its CHECK (stream = 'twitter/bookmarks') NOT VALID; END IF; END $$;
DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'twitter_crawl_checkpoint_stream_is_its') THEN ALTER TABLE crawler.twitter_crawl_checkpoint VALIDATE CONSTRAINT twitter_crawl_checkpoint_stream_is_its; END IF; END $$;
