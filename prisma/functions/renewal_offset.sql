-- crawler.lease_offset() for whoever renews a lease. Between a step back of crawler.clock() and the next look of a
-- reaper the lease clock stands still, for a second at the most, since a reaper looks each second. So a lease that is
-- renewed there ends a second later: not before it has lasted as long as it should.
CREATE OR REPLACE FUNCTION crawler.renewal_offset() RETURNS interval
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN coalesce((SELECT r.clock_back + CASE WHEN now.at < r.ticked_at THEN r.ticked_at - now.at + interval '1 second' ELSE interval '0' END
    FROM crawler.reaper r, (SELECT crawler.clock() AS at OFFSET 0) AS now), interval '0');
END
$$;
