-- Looks whether crawler.clock() has gone back since a reaper looked last, and if so, has the lease clock go on from
-- where it was. Answers both clocks now, and the lease clock at that last look; all NULL where another reaper looks
-- just now.
--   expected   the least that the lease clock should be now, as the caller has counted since its own last look. NULL:
--              unknown. -infinity: the caller has just started.
-- A step of less than the time since the last look is not seen: leases last longer by that, a second at the most.
CREATE OR REPLACE FUNCTION crawler.keep_lease_clock(
  expected timestamptz, OUT now timestamptz, OUT lease_now timestamptz, OUT last_look timestamptz
)
LANGUAGE plpgsql
AS $$
DECLARE
  reaper crawler.reaper;
  gone interval;
BEGIN
  SELECT * INTO reaper FROM crawler.reaper FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  now := crawler.clock();
  last_look := reaper.ticked_at + reaper.clock_back;
  lease_now := now + reaper.clock_back;
  IF now < reaper.ticked_at THEN
    gone := CASE WHEN isfinite(expected) AND expected > last_look THEN expected - last_look ELSE interval '0' END;
    -- No more than a second: leases that were renewed since then count on it (renewal_offset).
    lease_now := last_look + least(gone, interval '1 second');
    -- In seconds: a day of an interval is not always 24 hours long.
    UPDATE crawler.reaper SET ticked_at = keep_lease_clock.now, clock_back = make_interval(secs => extract(epoch FROM lease_now - keep_lease_clock.now)::float8);
    IF expected = '-infinity' OR gone > interval '2.5 seconds' THEN
      PERFORM crawler.end_outage(last_look, lease_now, keep_lease_clock.now);
    END IF;
    last_look := lease_now;
  END IF;
END
$$;
