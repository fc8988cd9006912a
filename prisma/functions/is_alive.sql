-- Whether a session owns its list now: it runs, was started through the API (epoch above 0), and its lease has not run
-- out.
CREATE OR REPLACE FUNCTION crawler.is_alive(
  status text, epoch integer, lease_expires_at timestamptz, lease_seconds integer, heartbeat_at timestamptz
) RETURNS boolean
LANGUAGE sql VOLATILE
AS $$ SELECT status = 'running' AND epoch > 0 AND crawler.lease_end(lease_expires_at, lease_seconds, heartbeat_at) > crawler.lease_clock() $$;
