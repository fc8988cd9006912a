-- Locks a checkpoint and then its row of crawl_state, the order of all writers. Each is NULL where there is none.
CREATE OR REPLACE FUNCTION crawler.lock_checkpoint(
  of_user text, of_stream text, OUT stored crawler.crawl_checkpoint, OUT state crawler.crawl_state
)
LANGUAGE plpgsql
AS $$
BEGIN
  LOOP
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream FOR UPDATE;
    IF FOUND THEN
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
      RETURN;
    END IF;
    BEGIN
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
      -- Under that lock nobody makes it, but a save may have done so while this waited for the lock. Its row has to be
      -- locked first: look again, and let the other lock go with this block.
      IF NOT EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream) THEN
        RETURN;
      END IF;
      RAISE EXCEPTION USING ERRCODE = 'WM001';
    EXCEPTION WHEN SQLSTATE 'WM001' THEN
      NULL;
    END;
  END LOOP;
END
$$;
