-- What migration.sql would do with an adopted table with rows while it holds its lock. Each statement runs by itself,
-- before migration.sql, and can be repeated (docs/adr/0002-migrations.md). Only with tables that migration.sql adopts:
-- what it refuses stays as it was.
/* if (SELECT count(*) = 16 FROM pg_attribute a JOIN (VALUES
  ('crawler.twitter_crawl_checkpoint', '{user_id,last_tweet_id}'::name[], '{varchar,text}'::regtype[]),
  ('crawler.twitter_crawl_checkpoint', '{last_crawled_at,created_at,updated_at}', '{timestamptz,timestamp}'),
  ('crawler.twitter_crawl_checkpoint', '{bookmarks_count}', '{integer}'),
  ('crawler.crawl_session', '{session_id,user_id,status,output_file_path,error_message}', '{varchar,text}'),
  ('crawler.crawl_session', '{started_at,completed_at}', '{timestamptz,timestamp}'),
  ('crawler.crawl_session', '{bookmarks_processed}', '{integer}'),
  ('crawler.crawl_session', '{direct_import,enable_summarization}', '{boolean}')) AS c (relation, names, types)
  ON a.attrelid = to_regclass(c.relation) AND a.attname = ANY (c.names) AND a.atttypid = ANY (c.types))
  AND (SELECT count(DISTINCT i.indrelid) = 2 FROM pg_index i WHERE i.indisprimary
    AND i.indrelid IN (to_regclass('crawler.twitter_crawl_checkpoint'), to_regclass('crawler.crawl_session')))
  AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public."user"') AND attname = 'id' AND atttypid IN ('varchar'::regtype, 'text'::regtype)) */
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'crawler.crawl_session'::regclass AND contype = 'f') AND NOT EXISTS (SELECT FROM crawler.crawl_session s WHERE NOT EXISTS (SELECT FROM public."user" u WHERE u.id = s.user_id)) THEN ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user" (id) ON DELETE CASCADE NOT VALID; END IF; END $$;
DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('crawler.crawl_session') AND conname = 'crawl_session_user_id_fkey' AND NOT convalidated) THEN ALTER TABLE crawler.crawl_session VALIDATE CONSTRAINT crawl_session_user_id_fkey; END IF; END $$;
/* if (SELECT count(*) = 16 FROM pg_attribute a JOIN (VALUES
  ('crawler.twitter_crawl_checkpoint', '{user_id,last_tweet_id}'::name[], '{varchar,text}'::regtype[]),
  ('crawler.twitter_crawl_checkpoint', '{last_crawled_at,created_at,updated_at}', '{timestamptz,timestamp}'),
  ('crawler.twitter_crawl_checkpoint', '{bookmarks_count}', '{integer}'),
  ('crawler.crawl_session', '{session_id,user_id,status,output_file_path,error_message}', '{varchar,text}'),
  ('crawler.crawl_session', '{started_at,completed_at}', '{timestamptz,timestamp}'),
  ('crawler.crawl_session', '{bookmarks_processed}', '{integer}'),
  ('crawler.crawl_session', '{direct_import,enable_summarization}', '{boolean}')) AS c (relation, names, types)
  ON a.attrelid = to_regclass(c.relation) AND a.attname = ANY (c.names) AND a.atttypid = ANY (c.types))
  AND (SELECT count(DISTINCT i.indrelid) = 2 FROM pg_index i WHERE i.indisprimary
    AND i.indrelid IN (to_regclass('crawler.twitter_crawl_checkpoint'), to_regclass('crawler.crawl_session')))
  AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public."user"') AND attname = 'id' AND atttypid IN ('varchar'::regtype, 'text'::regtype)) */
DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'crawler.crawl_session'::regclass AND contype = 'f' AND convalidated) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'crawler.crawl_session'::regclass AND conname = 'crawl_session_status_is_known') AND NOT EXISTS (SELECT FROM crawler.crawl_session WHERE status NOT IN ('running', 'completed', 'stopped', 'failed')) THEN ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_status_is_known CHECK (status::text IN ('running', 'completed', 'stopped', 'failed')) NOT VALID; END IF; END $$;
DO $$ BEGIN IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('crawler.crawl_session') AND conname = 'crawl_session_status_is_known' AND NOT convalidated) THEN IF NOT EXISTS (SELECT FROM crawler.crawl_session WHERE status NOT IN ('running', 'completed', 'stopped', 'failed')) THEN ALTER TABLE crawler.crawl_session VALIDATE CONSTRAINT crawl_session_status_is_known; END IF; END IF; END $$;
