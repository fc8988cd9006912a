CREATE OR REPLACE FUNCTION crawler.record_session_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Another key is another session: the old one is gone, a new one is there.
  same_session CONSTANT boolean := TG_OP = 'UPDATE'
    AND (OLD.session_id, OLD.user_id, OLD.stream) IS NOT DISTINCT FROM (NEW.session_id, NEW.user_id, NEW.stream);
  -- What happened to a session whose status stays; NULL: nothing that feeds tell.
  news text;
BEGIN
  IF same_session AND crawler.known_status(OLD.status) = crawler.known_status(NEW.status) THEN
    news := CASE
      WHEN OLD.stop_requested_at IS NULL AND NEW.stop_requested_at IS NOT NULL THEN 'SESSION_STOP_REQUESTED'
      WHEN OLD.stall_told IS NULL AND NEW.stall_told IS NOT NULL THEN 'SESSION_STALLED'
      WHEN OLD.stall_told IS NOT NULL AND NEW.stall_told IS NULL THEN 'SESSION_RECOVERED'
      -- By a heartbeat once, and by each save that reports a limit.
      WHEN NEW.rate_limit_told AND (NOT OLD.rate_limit_told OR NEW.commits <> OLD.commits) THEN 'SESSION_RATE_LIMITED' END;
    IF news IS NOT NULL THEN
      INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
      VALUES (crawler.clock(), news, NEW.user_id, NEW.stream, NEW.session_id,
              crawler.known_status(NEW.status), crawler.known_status(NEW.status));
    END IF;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' AND NOT same_session THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), 'SESSION_DELETED', OLD.user_id, OLD.stream, OLD.session_id,
            crawler.known_status(OLD.status), crawler.known_status(OLD.status));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), CASE WHEN same_session THEN 'SESSION_STATUS_CHANGED' ELSE 'SESSION_STARTED' END,
            NEW.user_id, NEW.stream, NEW.session_id,
            CASE WHEN same_session THEN crawler.known_status(OLD.status) END, crawler.known_status(NEW.status));
  END IF;
  RETURN NULL;
END
$$;
