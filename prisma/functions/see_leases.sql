-- What a reaper does that has the row of crawler.reaper. The times are those of keep_lease_clock.
CREATE OR REPLACE FUNCTION crawler.see_leases(
  now timestamptz, lease_now timestamptz, last_look timestamptz, OUT reaped integer, OUT told integer, OUT is_full boolean
)
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE crawler.reaper r SET ticked_at = see_leases.now, swept_up_to = crawler.find_leases(r.swept_up_to, lease_now);
  IF lease_now - last_look > interval '2.5 seconds' THEN
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may
    -- know nothing. A clock that goes forward by more looks the same.
    PERFORM crawler.end_outage(last_look, lease_now, now);
  END IF;
  SELECT l.reaped, l.told, l.is_full INTO reaped, told, is_full FROM crawler.look_at_leases(now, lease_now) l;
END
$$;
