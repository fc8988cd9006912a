-- How far the lease clock is ahead of crawler.clock(). Leases, and what is counted in leases, go by the lease clock: it
-- does not go back where crawler.clock() does. The row of crawler.reaper has the steps back that a reaper has seen.
-- Until the next reaper looks, the lease clock stands at the last look: nobody is ended early meanwhile.
CREATE OR REPLACE FUNCTION crawler.lease_offset() RETURNS interval
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN coalesce((SELECT greatest(r.ticked_at - crawler.clock(), interval '0') + r.clock_back FROM crawler.reaper r), interval '0');
END
$$;
