-- Carries the state of a list to another user, whose own has no checkpoint: all but the sessions and the history, and
-- of two pauses the later one. The version is above both, and so both epochs rise: what a session of either list writes
-- after this is STALE_EPOCH. The old list keeps its state until its clear is recorded. The caller holds the locks of
-- both rows of crawl_state.
CREATE OR REPLACE FUNCTION crawler.carry_state(from_user text, to_user text, of_stream text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  carried crawler.crawl_state;
BEGIN
  UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = NULL
  WHERE s.stream = of_stream AND s.user_id IN (from_user, to_user);
  SELECT * INTO carried FROM crawler.crawl_state s WHERE s.user_id = from_user AND s.stream = of_stream;
  UPDATE crawler.crawl_state s
  SET version = greatest(s.version, carried.version) + 1, written_epoch = 0, page_token = carried.page_token,
      head_list_id = crawler.copy_list(from_user, carried.head_list_id, to_user),
      anchor_list_id = crawler.copy_list(from_user, carried.anchor_list_id, to_user),
      complete = carried.complete, order_key = carried.order_key, full_pass = carried.full_pass,
      full_pass_has_item = carried.full_pass_has_item, last_completed_at = carried.last_completed_at,
      last_started_at = greatest(s.last_started_at, carried.last_started_at),
      catch_up_started_at = carried.catch_up_started_at, catch_up_item_id = carried.catch_up_item_id,
      catch_up_page_token = carried.catch_up_page_token,
      catch_up_head_list_id = crawler.copy_list(from_user, carried.catch_up_head_list_id, to_user),
      -- The sessions that told the heads stay where they were.
      opened_by_session_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = to_user AND s.stream = of_stream;
  -- What was kept or saved for the new user under a key is gone.
  PERFORM crawler.forget_keys(to_user, of_stream, 0);

  INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
  SELECT to_user, o.stream, o.until, o.reason, o.paused_by FROM crawler.crawl_pause o
  WHERE o.user_id = from_user AND o.stream = of_stream
  ON CONFLICT (user_id, stream) DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
  WHERE p.until < excluded.until;
  DELETE FROM crawler.crawl_pause p WHERE p.user_id = from_user AND p.stream = of_stream;
END
$$;
