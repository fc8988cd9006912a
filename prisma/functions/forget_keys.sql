-- Forgets the idempotency keys of saves that are undone: those that wrote a version after `last_kept`. 0: all. The
-- caller holds the lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.forget_keys(of_user text, of_stream text, last_kept integer) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  DELETE FROM crawler.idempotency_key i
  WHERE i.user_id = of_user AND i.stream = of_stream AND (i.version > last_kept OR last_kept = 0)
$$;
