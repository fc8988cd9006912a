-- Makes the pause of a list what is given; NULL, or a time that is over: none. Answers whether anything changed. The
-- caller holds the lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.set_pause(
  of_user text, of_stream text, new_until timestamptz, new_reason text, new_paused_by text
) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  IF new_until > crawler.clock() THEN
    INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
    VALUES (of_user, of_stream, new_until, new_reason, new_paused_by)
    ON CONFLICT (user_id, stream) DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
    WHERE (p.until, p.reason, p.paused_by) IS DISTINCT FROM (excluded.until, excluded.reason, excluded.paused_by);
  ELSE
    DELETE FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream;
  END IF;
  RETURN FOUND;
END
$$;
