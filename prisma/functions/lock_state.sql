-- Makes the state row where there is none, and locks it.
CREATE OR REPLACE FUNCTION crawler.lock_state(of_user text, of_stream text) RETURNS crawler.crawl_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  state crawler.crawl_state;
BEGIN
  LOOP
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF FOUND THEN
      RETURN state;
    END IF;
    INSERT INTO crawler.crawl_state (user_id, stream) VALUES (of_user, of_stream) ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
