// The statements that one would write by hand for the works. Mercurius prepares them, and pgbench runs the same ones.
export const CHECKPOINT = `SELECT user_id, stream, last_tweet_id, last_crawled_at, bookmarks_count, updated_at
  FROM crawler.crawl_checkpoint WHERE user_id = $1 AND stream = $2`

/** With the checkpoint in the same statement, which is faster than two. */
export const SESSION = `SELECT s.session_id, s.user_id, s.stream, s.status, s.started_at, s.completed_at, s.bookmarks_processed,
    c.last_tweet_id, c.last_crawled_at, c.bookmarks_count
  FROM crawler.crawl_session s LEFT JOIN crawler.crawl_checkpoint c ON c.user_id = s.user_id AND c.stream = s.stream
  WHERE s.session_id = $1`

export const USER = 'SELECT id FROM public."user" WHERE id = $1'

export const SESSIONS = `SELECT s.session_id, s.user_id, s.stream, s.status, s.started_at, s.completed_at, s.bookmarks_processed,
    c.last_tweet_id, c.last_crawled_at, c.bookmarks_count
  FROM crawler.crawl_session s LEFT JOIN crawler.crawl_checkpoint c ON c.user_id = s.user_id AND c.stream = s.stream
  WHERE s.user_id = $1 ORDER BY s.started_at DESC, s.session_id DESC LIMIT $2`

/** One plain upsert, without history, fence or event. `xmax = 0` says that the row was inserted. */
export const SAVE = `INSERT INTO bench.checkpoint (user_id, stream, last_tweet_id, bookmarks_count) VALUES ($1, $2, $3, $4)
  ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = excluded.last_tweet_id, bookmarks_count = excluded.bookmarks_count,
    last_crawled_at = now(), updated_at = now()
  RETURNING user_id, stream, last_tweet_id, bookmarks_count, xmax = 0 AS created`

/** As one would import with psql into Waymark's own table with its triggers. */
export const BULK = `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count)
  SELECT user_id, $2, $3, $4::integer FROM unnest($1::text[]) AS u (user_id)
  ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = excluded.last_tweet_id, bookmarks_count = excluded.bookmarks_count,
    last_crawled_at = now()`
