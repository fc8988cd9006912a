-- Outcomes: WRITTEN (detail 1: the feeds are told of a rate limit), SESSION_NOT_FOUND, STALE_EPOCH (detail: the epoch),
-- SESSION_CLOSED, COUNT_OVERFLOW.
CREATE OR REPLACE FUNCTION crawler.heartbeat(
  of_session text, processed integer, more_api_requests integer, more_rate_limit_hits integer, limited_until timestamptz,
  reach text[]
) RETURNS TABLE (outcome text, session jsonb, detail integer)
LANGUAGE plpgsql
AS $$
DECLARE
  max_count CONSTANT bigint := 2147483647;
  named crawler.crawl_session;
  current_epoch integer;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT s.epoch INTO current_epoch FROM crawler.crawl_state s
  WHERE s.user_id = named.user_id AND s.stream = named.stream FOR UPDATE;
  SELECT * INTO named FROM crawler.crawl_session s
  WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach)) FOR UPDATE;
  now := crawler.clock();
  session := to_jsonb(named);
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
  ELSIF coalesce(current_epoch, 0) > named.epoch THEN
    outcome := 'STALE_EPOCH';
    detail := current_epoch;
  ELSIF named.status <> 'running' THEN
    outcome := 'SESSION_CLOSED';
  ELSIF named.api_requests::bigint + coalesce(more_api_requests, 0) > max_count
    OR named.rate_limit_hits::bigint + coalesce(more_rate_limit_hits, 0) > max_count THEN
    outcome := 'COUNT_OVERFLOW';
  ELSE
    detail := CASE WHEN limited_until IS NOT NULL AND NOT named.rate_limit_told THEN 1 END;
    UPDATE crawler.crawl_session s
    SET bookmarks_processed = greatest(s.bookmarks_processed, processed),
        api_requests = s.api_requests + coalesce(more_api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(more_rate_limit_hits, 0),
        heartbeat_at = now, rate_limited_until = limited_until, rate_limit_told = s.rate_limit_told OR limited_until IS NOT NULL,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', limited_until) + crawler.renewal_offset() END
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    outcome := 'WRITTEN';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$$;
