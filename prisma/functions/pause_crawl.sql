-- Pauses a list: no session starts on it until then. Outcomes: PAUSED (pause: the one that stands now; told: it was not
-- paused before, so the feeds are told), SESSION_NOT_FOUND, USER_NOT_FOUND, STALE_EPOCH (detail), SESSION_CLOSED
-- (session). A session lengthens a pause: one that ends later already stays. An operator (no session) replaces it.
CREATE OR REPLACE FUNCTION crawler.pause_crawl(
  of_user text, of_stream text, new_until timestamptz, new_reason text, by_session text, actor text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer, pause jsonb, told boolean)
LANGUAGE plpgsql
AS $$
DECLARE
  named crawler.crawl_session;
  state crawler.crawl_state;
  present crawler.crawl_pause;
  now timestamptz;
BEGIN
  told := false;
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  IF by_session IS NOT NULL AND NOT EXISTS (
    SELECT FROM crawler.crawl_session s WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream
  ) THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = of_user) THEN
    outcome := 'USER_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  state := crawler.lock_state(of_user, of_stream);
  IF by_session IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s
    WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF NOT FOUND THEN
      outcome := 'SESSION_NOT_FOUND';
    ELSIF state.epoch > named.epoch THEN
      outcome := 'STALE_EPOCH';
      detail := state.epoch;
    ELSIF named.status <> 'running' THEN
      outcome := 'SESSION_CLOSED';
    END IF;
    session := to_jsonb(named);
    IF outcome IS NOT NULL THEN
      RETURN NEXT;
      RETURN;
    END IF;
  END IF;

  now := crawler.clock();
  SELECT * INTO present FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream FOR UPDATE;
  IF by_session IS NULL OR present.until IS NULL OR present.until < new_until THEN
    told := coalesce(present.until <= now, true);
    INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
    VALUES (of_user, of_stream, new_until, new_reason, actor)
    ON CONFLICT ON CONSTRAINT crawl_pause_pkey DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
    RETURNING p.* INTO present;
    IF told THEN
      PERFORM crawler.tell_pause(of_user, of_stream, 'CHECKPOINT_PAUSED', by_session);
    END IF;
  END IF;
  outcome := 'PAUSED';
  pause := to_jsonb(present);
  RETURN NEXT;
END
$$;
