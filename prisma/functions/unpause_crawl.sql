-- Ends the pause of a list. Outcomes: UNPAUSED (told: it was paused until now, so the feeds are told), USER_NOT_FOUND.
CREATE OR REPLACE FUNCTION crawler.unpause_crawl(of_user text, of_stream text, reach text[])
RETURNS TABLE (outcome text, told boolean)
LANGUAGE plpgsql
AS $$
DECLARE
  ended timestamptz;
BEGIN
  told := false;
  outcome := 'USER_NOT_FOUND';
  IF EXISTS (SELECT FROM public."user" u WHERE u.id = of_user AND (reach IS NULL OR u.id = ANY (reach))) THEN
    outcome := 'UNPAUSED';
    IF EXISTS (SELECT FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream) THEN
      -- Before the pause, as pause_crawl does.
      PERFORM crawler.lock_state(of_user, of_stream);
      DELETE FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream RETURNING p.until INTO ended;
      IF ended > crawler.clock() THEN
        told := true;
        PERFORM crawler.tell_pause(of_user, of_stream, 'CHECKPOINT_UNPAUSED', NULL);
      END IF;
    END IF;
  END IF;
  RETURN NEXT;
END
$$;
