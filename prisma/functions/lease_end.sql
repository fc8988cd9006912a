-- When a lease ends, on the lease clock. Who was alive when the last outage began, and has given no sign of life since it
-- ended, has a whole lease from its end: two columns of crawler.reaper say so, and no row of a session is written for it.
CREATE OR REPLACE FUNCTION crawler.lease_end(expires_at timestamptz, lease_seconds integer, heartbeat_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
  SELECT greatest(expires_at, CASE
    WHEN expires_at > (SELECT r.alive_after FROM crawler.reaper r)
      AND (heartbeat_at > (SELECT r.alive_again_at FROM crawler.reaper r)) IS NOT TRUE
    THEN (SELECT r.alive_again_at FROM crawler.reaper r) + lease_seconds * interval '1 second' END)
$$;
