-- It has done its work when the literal table was attached (002_streams/before.sql).
ALTER TABLE crawler.twitter_crawl_checkpoint DROP CONSTRAINT IF EXISTS twitter_crawl_checkpoint_stream_is_its;
