-- Deletes up to two revisions of each of these lists that are past their retention, and the heads and anchors that only
-- they referred to. A save writes one revision, so a history is pruned faster than it grows, whatever the rate of saves.
-- Called in the transaction that saved, which holds the locks of the rows of crawl_state. Answers how many revisions.
--   keep_revisions   so many of the newest of a list stay, however old
--   old_before       what was recorded later stays: the start of a UTC day, so that a chart's first bucket is complete
-- crawl_state.oldest_revision_at tells the next save whether it has to look (src/crawl/save/store.ts).
CREATE OR REPLACE FUNCTION crawler.prune_history(users text[], streams text[], keep_revisions integer, old_before timestamptz)
RETURNS integer
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
  pruned integer;
  lists bigint[];
BEGIN
  WITH saved AS MATERIALIZED (
    SELECT DISTINCT u.user_id, u.stream FROM unnest(users, streams) AS u (user_id, stream)
  ), oldest AS MATERIALIZED (
    -- The first that stays tells when to look again.
    SELECT s.user_id, s.stream, r.version, r.recorded_at, row_number() OVER list AS place, bool_and(
        r.recorded_at < old_before AND r.version <= st.version - keep_revisions
        -- Where a move skipped versions, the newest are not those with the highest numbers in a row.
        AND CASE WHEN r.recorded_at < old_before AND (SELECT true FROM crawler.checkpoint_revision f
            WHERE f.user_id = s.user_id AND f.stream = s.stream AND f.follows_version IS NOT NULL LIMIT 1)
          THEN r.version <= coalesce((SELECT n.version FROM crawler.checkpoint_revision n
            WHERE n.user_id = s.user_id AND n.stream = s.stream ORDER BY n.version DESC OFFSET keep_revisions LIMIT 1), 0)
          ELSE true END) OVER list AS is_old
    FROM saved s
    CROSS JOIN LATERAL (SELECT k.version FROM crawler.crawl_state k WHERE k.user_id = s.user_id AND k.stream = s.stream) AS st
    CROSS JOIN LATERAL (SELECT o.version, o.recorded_at FROM crawler.checkpoint_revision o
      WHERE o.user_id = s.user_id AND o.stream = s.stream ORDER BY o.version LIMIT 3) AS r
    WINDOW list AS (PARTITION BY s.user_id, s.stream ORDER BY r.version)
  ), deleted AS (
    DELETE FROM crawler.checkpoint_revision r USING oldest o
    WHERE r.user_id = o.user_id AND r.stream = o.stream AND r.version = o.version AND o.is_old AND o.place <= 2
    RETURNING r.head_list_id, r.anchor_list_id, r.catch_up_head_list_id
  ), noted AS (
    UPDATE crawler.crawl_state s SET oldest_revision_at = o.recorded_at
    FROM (SELECT DISTINCT ON (n.user_id, n.stream) n.* FROM oldest n WHERE NOT n.is_old OR n.place = 3 ORDER BY n.user_id, n.stream, n.version) AS o
    WHERE s.user_id = o.user_id AND s.stream = o.stream AND s.oldest_revision_at IS DISTINCT FROM o.recorded_at
  )
  SELECT (SELECT count(*) FROM deleted),
    (SELECT array_agg(DISTINCT l.list_id) FROM deleted d, unnest(ARRAY[d.head_list_id, d.anchor_list_id, d.catch_up_head_list_id]) AS l (list_id)
      WHERE l.list_id IS NOT NULL)
  INTO pruned, lists;
  IF lists IS NOT NULL THEN
    PERFORM crawler.forget_lists(lists);
  END IF;
  RETURN pruned;
END
$$;
