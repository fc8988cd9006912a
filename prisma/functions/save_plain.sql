-- Writes those saves of a set that nothing speaks against, all with one statement: to set a statement up costs about as
-- much as to write a row by it, and one save alone is six of them. It decides nothing: what it leaves out
-- save_checkpoints judges, command by command. Left out is
--   what is not the first of its checkpoint in the set, or has an idempotency key, a head list, no item, or comes from
--   an import or a catch-up;
--   what makes its checkpoint, opens it again after it was complete, is the first item of a full pass, or changes
--   nothing;
--   what another transaction holds, and what would not be SAVED.
-- Nested loops by index only, planned once: the set's size is unknown to the planner, and the tables grow after it has
-- planned.
CREATE OR REPLACE FUNCTION crawler.save_plain(commands json)
RETURNS TABLE (command integer, checkpoint jsonb, session jsonb)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH first_of_key AS MATERIALIZED (
    SELECT DISTINCT ON (c.user_id, c.stream) c.*
    FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
      count integer, addition integer, crawled_at timestamptz, session_id text, page_token text, head json,
      expected_version integer, key text, api_requests integer, rate_limit_hits integer,
      rate_limited_until timestamptz, importing boolean, actor text, out_of_reach boolean)
    ORDER BY c.user_id, c.stream, c.place
  ), locked AS MATERIALIZED (
    -- OFFSET 0 keeps each a look-up of its own, which locks as it goes.
    SELECT c.place, c.user_id, c.stream, c.item_id, c.order_key, c.addition, c.crawled_at, c.session_id, c.page_token, c.api_requests, c.rate_limit_hits,
      c.rate_limited_until, c.actor, k.last_tweet_id, k.bookmarks_count AS old_count, s.page_token AS old_page_token, s.version + 1 AS version,
      s.head_list_id, s.anchor_list_id, s.full_pass, s.catch_up_started_at, s.catch_up_item_id, s.catch_up_page_token, s.catch_up_head_list_id, coalesce(c.count, k.bookmarks_count::bigint + coalesce(c.addition, 0)) AS new_count, 
      CASE WHEN c.session_id IS NULL THEN 0 ELSE n.epoch END AS epoch, n.loop_token_hash, n.loop_steps, n.loop_span,
      CASE WHEN c.page_token IS DISTINCT FROM s.page_token THEN hashtextextended(c.page_token, 0) END AS token_hash
    FROM first_of_key c
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_checkpoint k
      WHERE k.user_id = c.user_id AND k.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS k
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_state s
      WHERE s.user_id = c.user_id AND s.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS s
    LEFT JOIN LATERAL (SELECT * FROM crawler.crawl_session n
      WHERE n.session_id = c.session_id AND n.user_id = c.user_id AND n.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS n ON TRUE
    LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    WHERE c.key IS NULL AND c.head IS NULL AND c.item_id IS NOT NULL AND c.importing IS NOT TRUE AND c.out_of_reach IS NOT TRUE
      AND NOT s.complete AND s.full_pass = s.full_pass_has_item
      AND (c.expected_version IS NULL OR c.expected_version = s.version)
      AND CASE WHEN c.session_id IS NULL THEN s.owner_session_id IS NULL
        ELSE n.status = 'running' AND n.epoch >= s.epoch AND n.mode IS DISTINCT FROM 'CATCH_UP'
          AND n.bookmarks_added::bigint + coalesce(c.addition, 0) <= 2147483647
          AND n.api_requests::bigint + coalesce(c.api_requests, 0) <= 2147483647
          AND n.rate_limit_hits::bigint + coalesce(c.rate_limit_hits, 0) <= 2147483647 END
      AND (setting.ordering = 'ascending' AND split_part(c.order_key, ':', 1) = split_part(s.order_key, ':', 1)
        AND c.order_key COLLATE "C" < s.order_key) IS NOT TRUE
  ), lease AS MATERIALIZED (
    SELECT crawler.renewal_offset() AS ahead
  ), accepted AS MATERIALIZED (
    SELECT l.*, l.last_tweet_id <> l.item_id AS moved, crawler.clock() AS now, lease.ahead,
      l.token_hash IS NOT NULL AND l.token_hash IS DISTINCT FROM l.loop_token_hash AND l.loop_steps + 1 >= l.loop_span AS keeps_token
    FROM locked l CROSS JOIN lease
    WHERE l.new_count <= 2147483647
      AND (l.last_tweet_id <> l.item_id OR l.new_count <> l.old_count OR l.old_page_token IS DISTINCT FROM l.page_token)
  ), stated AS (
    UPDATE crawler.crawl_state s
    SET version = a.version, page_token = a.page_token, written_epoch = a.epoch, order_key = a.order_key
    FROM accepted a
    WHERE s.user_id = a.user_id AND s.stream = a.stream
    RETURNING a.*, to_jsonb(s) AS state
  ), revisions AS (
    INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
      page_token, head_list_id, anchor_list_id, complete, full_pass, full_pass_has_item, catch_up_started_at, catch_up_item_id,
      catch_up_page_token, catch_up_head_list_id, order_key, session_id, epoch, last_crawled_at, recorded_at)
    SELECT a.user_id, a.stream, a.version, 'SAVE', a.actor, a.item_id, a.new_count, greatest(a.new_count - a.old_count, 0),
      a.page_token, a.head_list_id, a.anchor_list_id, false, a.full_pass, a.full_pass, a.catch_up_started_at, a.catch_up_item_id,
      a.catch_up_page_token, a.catch_up_head_list_id, a.order_key, a.session_id, a.epoch, coalesce(a.crawled_at, a.now), a.now
    FROM accepted a
  ), events AS (
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
    SELECT a.now, 'CHECKPOINT_SAVED', a.user_id, a.stream, a.session_id, a.version, a.item_id, a.new_count
    FROM accepted a
  ), saved AS (
    UPDATE crawler.crawl_checkpoint k
    SET last_tweet_id = t.item_id, bookmarks_count = t.new_count, last_crawled_at = coalesce(t.crawled_at, t.now)
    FROM stated t
    WHERE k.user_id = t.user_id AND k.stream = t.stream
    RETURNING t.*, to_jsonb(k) || jsonb_build_object('state', t.state) AS checkpoint
  ), renewed AS (
    UPDATE crawler.crawl_session s
    SET bookmarks_added = s.bookmarks_added + coalesce(c.addition, 0),
        bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(c.addition, 0)),
        commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, c.now), last_save_at = c.now,
        bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
          ELSE least(s.bookmarks_since_first_save + greatest(c.new_count - c.old_count, 0), 2147483647) END,
        position_moved_at = CASE WHEN c.moved OR c.old_page_token IS DISTINCT FROM c.page_token THEN c.now + c.ahead ELSE s.position_moved_at END,
        -- As in save_checkpoints.
        loop_token_hash = CASE WHEN c.keeps_token THEN c.token_hash ELSE s.loop_token_hash END,
        loop_span = CASE WHEN c.keeps_token THEN greatest(least(s.loop_span, 1073741823) * 2, 1) ELSE s.loop_span END,
        loop_steps = CASE WHEN c.keeps_token THEN 0 WHEN c.token_hash IS NOT NULL THEN s.loop_steps + 1 ELSE s.loop_steps END,
        loop_hits = CASE WHEN c.token_hash = s.loop_token_hash THEN s.loop_hits + 1 WHEN c.keeps_token AND s.loop_hits < 3 THEN 0 ELSE s.loop_hits END,
        empty_saves = 0,
        stall_look_at = CASE WHEN c.token_hash = s.loop_token_hash AND s.loop_hits = 2 THEN c.now + c.ahead ELSE s.stall_look_at END,
        rate_limit_told = c.rate_limited_until IS NOT NULL,
        api_requests = s.api_requests + coalesce(c.api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(c.rate_limit_hits, 0),
        heartbeat_at = c.now, rate_limited_until = c.rate_limited_until,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(c.now + s.lease_seconds * interval '1 second', c.rate_limited_until) + c.ahead END
    FROM saved c
    WHERE s.session_id = c.session_id
    RETURNING c.place, c.checkpoint, to_jsonb(s) AS session
  )
  SELECT place, checkpoint, NULL::jsonb FROM saved WHERE session_id IS NULL
  UNION ALL
  SELECT place, checkpoint, session FROM renewed;
END
$$;
