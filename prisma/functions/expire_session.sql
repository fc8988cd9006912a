-- Ends a running session whose lease has run out, as the reaper does and as startSession does over it.
CREATE OR REPLACE FUNCTION crawler.expire_session(expired_id text, at timestamptz) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  UPDATE crawler.crawl_session s
  SET status = CASE WHEN s.stop_requested_at IS NULL THEN 'failed' ELSE 'stopped' END,
      error_message = CASE WHEN s.stop_requested_at IS NULL THEN 'lease expired' ELSE s.error_message END,
      completed_at = at, end_reason = 'LEASE_EXPIRED', lease_expires_at = NULL, rate_limited_until = NULL
  WHERE s.session_id = expired_id AND s.status = 'running'
$$;
