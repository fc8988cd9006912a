-- Ends the running sessions whose lease has run out, and answers how many. Any number of reapers may run it; one at a
-- time does. A session whose row somebody holds is being written just now; it waits for the next tick.
CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  kept record;
  reaped integer := 0;
  expired record;
BEGIN
  SELECT * INTO kept FROM crawler.keep_lease_clock(NULL);
  IF kept.now IS NULL THEN
    RETURN 0;
  END IF;
  UPDATE crawler.reaper SET ticked_at = kept.now;
  IF kept.lease_now - kept.last_look > interval '2.5 seconds' THEN
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may
    -- know nothing. Nobody could renew while nobody served: whoever was alive then is given a whole lease from now. A
    -- clock that goes forward by more looks the same.
    PERFORM crawler.extend_leases(kept.last_look, kept.lease_now);
  END IF;
  FOR expired IN
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at <= kept.lease_now
    ORDER BY s.session_id FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM crawler.expire_session(expired.session_id, kept.now);
    reaped := reaped + 1;
  END LOOP;
  RETURN reaped;
END
$$;
