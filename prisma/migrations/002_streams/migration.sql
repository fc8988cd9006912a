-- 002: every platform, without renaming a column of the original project.
--
-- The literal table becomes the partition of twitter/bookmarks; all other streams live in a default partition. The
-- parent has a UNIQUE and no PRIMARY KEY, so that the literal table keeps its own key: ON CONFLICT (user_id) goes on
-- working there, and ON CONFLICT (user_id, stream) works on the parent. (A view would take neither.) Everything here
-- can be run again.

-- Naive timestamps are UTC. Under timezone UTC the change of type keeps the table file; USING ... AT TIME ZONE would
-- rewrite it.
DO $$
DECLARE
  naive RECORD;
BEGIN
  PERFORM set_config('timezone', 'UTC', true);
  FOR naive IN
    SELECT attrelid::regclass AS relation, attname AS name, atthasdef AS has_default
    FROM pg_attribute
    WHERE atttypid = 'timestamp'::regtype AND (attrelid, attname) IN (
      ('crawler.twitter_crawl_checkpoint'::regclass, 'last_crawled_at'),
      ('crawler.twitter_crawl_checkpoint'::regclass, 'created_at'),
      ('crawler.twitter_crawl_checkpoint'::regclass, 'updated_at'),
      ('crawler.crawl_session'::regclass, 'started_at'),
      ('crawler.crawl_session'::regclass, 'completed_at'))
  LOOP
    -- The default goes first: (now() AT TIME ZONE 'UTC') would come along and then mean another time in each time zone.
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', naive.relation, naive.name);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE TIMESTAMPTZ', naive.relation, naive.name);
    IF naive.has_default THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT now()', naive.relation, naive.name);
    END IF;
  END LOOP;
END
$$;

ALTER TABLE crawler.crawl_session ADD COLUMN IF NOT EXISTS stream VARCHAR(255) NOT NULL DEFAULT 'twitter/bookmarks';

DO $$
DECLARE
  extra NAME;
BEGIN
  IF to_regclass('crawler.crawl_checkpoint') IS NULL THEN
    ALTER TABLE crawler.twitter_crawl_checkpoint
      ADD COLUMN IF NOT EXISTS stream VARCHAR(255) NOT NULL DEFAULT 'twitter/bookmarks';

    -- LIKE, so that further columns of an adopted table are no obstacle to ATTACH. Waymark writes none of them: those
    -- that may not be NULL bind only their own table.
    CREATE TABLE crawler.crawl_checkpoint (
      LIKE crawler.twitter_crawl_checkpoint INCLUDING DEFAULTS INCLUDING GENERATED,
      CONSTRAINT crawl_checkpoint_user_id_stream_key UNIQUE (user_id, stream),
      CONSTRAINT crawl_checkpoint_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user" (id) ON DELETE CASCADE
    ) PARTITION BY LIST (stream);
    FOR extra IN
      SELECT attname FROM pg_attribute
      WHERE attrelid = 'crawler.crawl_checkpoint'::regclass AND attnum > 0 AND attnotnull AND attname NOT IN
        ('user_id', 'stream', 'last_tweet_id', 'last_crawled_at', 'bookmarks_count', 'created_at', 'updated_at')
    LOOP
      EXECUTE format('ALTER TABLE crawler.crawl_checkpoint ALTER COLUMN %I DROP NOT NULL', extra);
    END LOOP;
  END IF;

  IF NOT (SELECT relispartition FROM pg_class WHERE oid = 'crawler.twitter_crawl_checkpoint'::regclass) THEN
    DROP TRIGGER IF EXISTS zz_set_updated_at ON crawler.twitter_crawl_checkpoint;
    ALTER TABLE crawler.crawl_checkpoint
      ATTACH PARTITION crawler.twitter_crawl_checkpoint FOR VALUES IN ('twitter/bookmarks');
  END IF;

  IF to_regclass('crawler.crawl_checkpoint_other') IS NULL THEN
    CREATE TABLE crawler.crawl_checkpoint_other PARTITION OF crawler.crawl_checkpoint DEFAULT;
    -- It has no primary key either, and without an identity a publication of all tables refuses every UPDATE.
    ALTER TABLE crawler.crawl_checkpoint_other REPLICA IDENTITY USING INDEX crawl_checkpoint_other_user_id_stream_key;
  END IF;
END
$$;

-- Each save writes a new version of its checkpoint, and last_crawled_at is indexed, so the indexes grow with it: vacuum
-- comes early.
ALTER TABLE crawler.twitter_crawl_checkpoint SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE crawler.crawl_checkpoint_other SET (autovacuum_vacuum_scale_factor = 0.05);

-- One index for every filter and order of the API, each ending in the key that paging needs to tell equal times apart.
-- The literal table's stands in steps.sql, because an adopted table may have rows.
CREATE INDEX IF NOT EXISTS crawl_checkpoint_other_crawled
  ON crawler.crawl_checkpoint_other (last_crawled_at, user_id, stream);
CREATE INDEX IF NOT EXISTS crawl_checkpoint_other_stream_crawled
  ON crawler.crawl_checkpoint_other (stream, last_crawled_at, user_id);
CREATE INDEX IF NOT EXISTS crawl_checkpoint_other_platform_crawled
  ON crawler.crawl_checkpoint_other (split_part(stream, '/', 1), last_crawled_at, user_id, stream);
CREATE INDEX IF NOT EXISTS crawl_checkpoint_other_other_platform_crawled
  ON crawler.crawl_checkpoint_other (last_crawled_at, user_id, stream)
  WHERE split_part(stream, '/', 1) NOT IN ('twitter', 'reddit', 'linkedin', 'mastodon', 'bluesky', 'youtube');

-- What configureStream set.
CREATE TABLE IF NOT EXISTS crawler.stream_setting (
  stream VARCHAR(255) PRIMARY KEY,
  ordering VARCHAR(50) NOT NULL DEFAULT 'none' CONSTRAINT stream_setting_ordering_is_known CHECK (ordering::text IN ('none', 'ascending'))
);

-- To take this back (docs/database.md, Rolling back): only while nothing but twitter/bookmarks is stored. Times stay
-- TIMESTAMPTZ, which is what any client reads correctly.
-- ROLLBACK BEGIN
-- DO $$
-- BEGIN
--   IF EXISTS (SELECT FROM crawler.crawl_checkpoint_other) THEN
--     RAISE EXCEPTION 'crawler.crawl_checkpoint_other has rows: the literal table cannot hold them'
--       USING HINT = 'Save them elsewhere and delete them, then roll back again.';
--   END IF;
--   IF EXISTS (SELECT FROM crawler.crawl_session WHERE stream <> 'twitter/bookmarks') THEN
--     RAISE EXCEPTION 'crawler.crawl_session has sessions of other streams than twitter/bookmarks: without the column they would pass for those'
--       USING HINT = 'Save them elsewhere and delete them, then roll back again.';
--   END IF;
-- END
-- $$;
-- ALTER TABLE crawler.crawl_checkpoint DETACH PARTITION crawler.twitter_crawl_checkpoint;
-- DROP TABLE crawler.crawl_checkpoint;
-- ALTER TABLE crawler.twitter_crawl_checkpoint DROP COLUMN stream;
-- ALTER TABLE crawler.crawl_session DROP COLUMN stream;
-- DROP TABLE crawler.stream_setting;
-- DELETE FROM crawler.schema_migration WHERE name = '002_streams';
-- ROLLBACK END
