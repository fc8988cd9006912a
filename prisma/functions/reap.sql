-- Looks at the leases once (crawler.look_at_leases), whenever another reaper looked, and answers how many sessions it
-- ended. Servers call reaper_tick. Those of a version before call this, and tests do.
CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  kept record;
BEGIN
  SELECT * INTO kept FROM crawler.keep_lease_clock(NULL);
  IF kept.now IS NULL THEN
    RETURN 0;
  END IF;
  RETURN (SELECT l.reaped FROM crawler.see_leases(kept.now, kept.lease_now, kept.last_look) l);
END
$$;
