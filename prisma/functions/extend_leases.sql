-- Gives whoever was alive then a whole lease from now. Both times are on the lease clock.
CREATE OR REPLACE FUNCTION crawler.extend_leases(alive_at timestamptz, lease_now timestamptz) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  UPDATE crawler.crawl_session s SET lease_expires_at = greatest(s.lease_expires_at, lease_now + s.lease_seconds * interval '1 second')
  WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at > alive_at
$$;
