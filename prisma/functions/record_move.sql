-- Records that a checkpoint has another user now: the clear of the old list, then what the new one has. `last_version`
-- is the new list's before; where the move skipped versions, its revision says after which. The caller has carried the
-- state (crawler.carry_state) and holds the locks of both rows of crawl_state.
CREATE OR REPLACE FUNCTION crawler.record_move(
  from_user text, to_user text, of_stream text, source text, actor text, item_id text, new_count integer, old_count integer,
  crawled_at timestamptz, last_version integer
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM crawler.record_clear(from_user, of_stream, source, actor, NULL, 0, old_count);
  -- What is moved is nothing new: only what an SQL client changed in the same statement counts as added.
  PERFORM crawler.append_revision(to_user, of_stream, source, 'CHECKPOINT_SAVED', actor, NULL, item_id, new_count, old_count, crawled_at);
  UPDATE crawler.checkpoint_revision r SET follows_version = last_version
  FROM crawler.crawl_state s
  WHERE s.user_id = to_user AND s.stream = of_stream AND r.user_id = to_user AND r.stream = of_stream
    AND r.version = s.version AND r.version > last_version + 1;
END
$$;
