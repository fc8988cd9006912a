-- What another program's write to a checkpoint means for its state: the token is another position's, and the crawl goes
-- on. A position that moves is an item of a full pass, and its first one begins the crawl. The caller holds the lock of
-- the row of crawl_state. `new_versions` is 0 where the version was raised already.
CREATE OR REPLACE FUNCTION crawler.note_foreign_save(
  of_user text, of_stream text, moves boolean, is_new boolean, new_versions integer
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE crawler.crawl_state s
  SET version = s.version + new_versions, written_epoch = 0, page_token = NULL, complete = false,
      order_key = CASE WHEN moves THEN NULL ELSE s.order_key END,
      head_list_id = CASE WHEN is_new OR s.complete OR (moves AND s.full_pass AND NOT s.full_pass_has_item) THEN NULL ELSE s.head_list_id END,
      opened_by_session_id = CASE WHEN is_new OR s.complete OR (moves AND s.full_pass AND NOT s.full_pass_has_item) THEN NULL
        ELSE s.opened_by_session_id END,
      full_pass_has_item = s.full_pass AND (s.full_pass_has_item OR moves)
  WHERE s.user_id = of_user AND s.stream = of_stream
$$;
