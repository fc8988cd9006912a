/** What a database of the original Python project looks like: naive timestamps (UTC), defaults made by the client, a trigger of its own. */
export const originalTables = `
  CREATE TABLE public."user" (
    id TEXT PRIMARY KEY,
    email VARCHAR(320) NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
  );
  CREATE SCHEMA crawler;
  CREATE TABLE crawler.twitter_crawl_checkpoint (
    user_id VARCHAR(255) NOT NULL,
    last_tweet_id VARCHAR(255) NOT NULL,
    last_crawled_at TIMESTAMP NOT NULL,
    bookmarks_count INTEGER,
    created_at TIMESTAMP DEFAULT (now() AT TIME ZONE 'utc') NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    note TEXT NOT NULL DEFAULT 'none',
    CONSTRAINT pk_checkpoint PRIMARY KEY (user_id),
    CONSTRAINT fk_checkpoint_user FOREIGN KEY (user_id) REFERENCES public."user" (id) ON DELETE CASCADE
  );
  CREATE TABLE crawler.crawl_session (
    session_id VARCHAR(255) PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    started_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    status VARCHAR(50) NOT NULL,
    bookmarks_processed INTEGER NOT NULL,
    direct_import BOOLEAN NOT NULL,
    enable_summarization BOOLEAN NOT NULL,
    output_file_path TEXT,
    error_message TEXT,
    worker_host VARCHAR(100)
  );
  CREATE INDEX ix_session_started ON crawler.crawl_session (started_at);
  CREATE FUNCTION crawler.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.updated_at = now() AT TIME ZONE 'utc'; RETURN NEW; END $$;
  CREATE TRIGGER update_checkpoint_updated_at BEFORE UPDATE ON crawler.twitter_crawl_checkpoint
    FOR EACH ROW EXECUTE FUNCTION crawler.update_updated_at_column();`

export const originalRows = `
  INSERT INTO public."user" VALUES ('ada', 'ada@example.org', 'x'), ('bob', 'bob@example.org', 'y'), ('cyd', 'cyd@example.org', 'z');
  INSERT INTO crawler.twitter_crawl_checkpoint VALUES
    ('ada', '1790000000000000001', '2024-02-29 23:59:59.999999', 422, '2023-12-31 23:00:00.000001', '2024-03-01 00:00:00.123456', 'hers'),
    ('bob', '20', '2024-03-31 01:30:00.5', 0, '2024-03-31 02:30:00', '2024-10-27 01:30:00.654321', 'none');
  INSERT INTO crawler.crawl_session VALUES
    ('s1', 'ada', '2024-02-29 23:00:00.000001', '2024-02-29 23:59:59.999999', 'completed', 422, true, false, '/tmp/out.json', NULL, 'w1'),
    ('s2', 'ada', '2024-03-01 00:00:00', NULL, 'running', 0, false, true, NULL, NULL, 'w2'),
    ('s3', 'bob', '2024-03-02 00:00:00.000002', '2024-03-02 00:00:01', 'cancelled', 7, false, false, NULL, 'user asked', NULL),
    ('s4', 'bob', '2024-03-03 00:00:00.999999', '2024-03-03 00:00:01', 'failed', 7, false, false, NULL, 'HTTP 500: "oops"', NULL);`

/** The statements of the original's CheckpointManager. */
export const originalSaveCheckpoint = `
  INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id, last_crawled_at, bookmarks_count)
  VALUES ($1, $2, $3, $4)
  ON CONFLICT (user_id) DO UPDATE SET last_tweet_id = EXCLUDED.last_tweet_id,
    last_crawled_at = EXCLUDED.last_crawled_at, bookmarks_count = EXCLUDED.bookmarks_count`
export const originalStartSession = `
  INSERT INTO crawler.crawl_session
    (session_id, user_id, started_at, status, bookmarks_processed, direct_import, enable_summarization)
  VALUES ($1, $2, $3, 'running', 0, false, false)`
export const originalEndSession = `
  UPDATE crawler.crawl_session SET status = $2, completed_at = $3, bookmarks_processed = $4 WHERE session_id = $1`
