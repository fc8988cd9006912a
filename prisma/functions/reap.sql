-- Ends the running sessions whose lease has run out, and answers how many. Any number of reapers may run it; one at a
-- time does. A session whose row somebody holds is being written just now; it waits for the next tick.
CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  last_tick timestamptz;
  now timestamptz;
  reaped integer := 0;
  expired record;
BEGIN
  SELECT r.ticked_at INTO last_tick FROM crawler.reaper r FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  now := crawler.clock();
  UPDATE crawler.reaper SET ticked_at = now;
  IF now - last_tick > interval '2.5 seconds' THEN
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may
    -- know nothing. Nobody could renew while nobody served: whoever was alive then is given a whole lease from now.
    UPDATE crawler.crawl_session s SET lease_expires_at = greatest(s.lease_expires_at, now + s.lease_seconds * interval '1 second')
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at > last_tick;
  END IF;
  FOR expired IN
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at <= now
    ORDER BY s.session_id FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM crawler.expire_session(expired.session_id, now);
    reaped := reaped + 1;
  END LOOP;
  RETURN reaped;
END
$$;
