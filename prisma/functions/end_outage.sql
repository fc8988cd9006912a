-- Notes that nobody looked at leases since `alive_at`, so that nobody could renew: who was alive then has a whole lease
-- from now. Both times are on the lease clock. Who was dead then is ended first, so that one row holds for several
-- outages in a row: whoever still lives by the one before was alive at `alive_at`.
CREATE OR REPLACE FUNCTION crawler.end_outage(alive_at timestamptz, lease_now timestamptz, now timestamptz) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  longest_lease CONSTANT interval := '1 hour';
BEGIN
  PERFORM crawler.look_at_leases(now, alive_at);
  UPDATE crawler.reaper r
  SET alive_after = CASE WHEN r.alive_again_at + longest_lease > alive_at THEN least(r.alive_after, alive_at) ELSE alive_at END,
      alive_again_at = lease_now;
END
$$;
