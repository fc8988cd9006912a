-- A look of a reaper, which each replica takes each second. One that sees that another looked less than 0.9 s ago does
-- nothing; so does one that finds another at work.
--   expected   as in keep_lease_clock
--   again      whether to look in any case: the call before had more to do than one call does
-- Answers what it did, and both clocks and the last outage as they are now. lease_seconds is NULL where another is at
-- work, and the lease clock in seconds since 1970 otherwise.
CREATE OR REPLACE FUNCTION crawler.reaper_tick(
  expected timestamptz, again boolean, OUT reaped integer, OUT told integer, OUT is_full boolean, OUT lease_seconds float8,
  OUT lease_ahead_ms float8, OUT alive_after timestamptz, OUT alive_again_at timestamptz
)
LANGUAGE plpgsql
AS $$
DECLARE
  at CONSTANT timestamptz := crawler.clock();
  kept record;
  looked record;
BEGIN
  reaped := 0;
  told := 0;
  is_full := false;
  IF NOT again THEN
    SELECT extract(epoch FROM at + r.clock_back), extract(epoch FROM r.clock_back) * 1000, r.alive_after, r.alive_again_at
    INTO lease_seconds, lease_ahead_ms, alive_after, alive_again_at
    FROM crawler.reaper r WHERE r.ticked_at <= at AND r.ticked_at > at - interval '0.9 seconds';
    IF FOUND THEN
      RETURN;
    END IF;
  END IF;
  SELECT * INTO kept FROM crawler.keep_lease_clock(expected);
  IF kept.now IS NULL THEN
    RETURN;
  END IF;
  SELECT * INTO looked FROM crawler.see_leases(kept.now, kept.lease_now, kept.last_look);
  reaped := looked.reaped;
  told := looked.told;
  is_full := looked.is_full;
  lease_seconds := extract(epoch FROM kept.lease_now);
  lease_ahead_ms := extract(epoch FROM kept.lease_now - kept.now) * 1000;
  SELECT r.alive_after, r.alive_again_at INTO alive_after, alive_again_at FROM crawler.reaper r;
END
$$;
