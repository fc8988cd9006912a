-- Records that a checkpoint was deleted: everything is forgotten but epoch, owner and version. The caller holds the
-- lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.record_clear(
  of_user text, of_stream text, source text, actor text, by_session text, by_epoch integer, old_count integer
) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM crawler.record_change(of_user, of_stream, source, 'CHECKPOINT_CLEARED', actor, by_session, by_epoch, NULL, 0, old_count, NULL,
    NULL, NULL, NULL, false, NULL, NULL);
END
$$;
