-- Tells the feeds which live sessions have stalled, and which that were told make progress again; answers how many. The
-- trigger on crawl_session writes the events. A session is looked at when it may have stalled; one that was told, each
-- time. At most 500 of each kind: the others come with the next tick. A session whose row somebody holds does so too.
CREATE OR REPLACE FUNCTION crawler.tell_stalls() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  at CONSTANT timestamptz := crawler.clock();
  ahead CONSTANT interval := crawler.lease_offset();
  lease_at CONSTANT timestamptz := at + ahead;
  told integer;
  recovered integer;
BEGIN
  WITH due AS MATERIALIZED (
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.stall_told IS NULL AND s.lease_expires_at > lease_at
      AND coalesce(s.stall_look_at, '-infinity') <= lease_at
    ORDER BY coalesce(s.stall_look_at, '-infinity') LIMIT 500 FOR UPDATE SKIP LOCKED
  ), looked AS (
    UPDATE crawler.crawl_session s
    SET stall_told = crawler.stall_reason(s.loop_hits, s.empty_saves, s.lease_seconds, coalesce(s.position_moved_at, s.started_at),
          lease_at, s.rate_limited_until, at),
        stall_look_at = crawler.next_stall_look(s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_at,
          s.rate_limited_until + ahead)
    FROM due d WHERE s.session_id = d.session_id RETURNING s.stall_told
  )
  SELECT count(l.stall_told) INTO told FROM looked l;
  WITH moving AS MATERIALIZED (
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.stall_told IS NOT NULL AND s.lease_expires_at > lease_at
      AND crawler.stall_reason(s.loop_hits, s.empty_saves, s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_at,
        s.rate_limited_until, at) IS NULL
    LIMIT 500 FOR UPDATE SKIP LOCKED
  ), moved AS (
    UPDATE crawler.crawl_session s
    SET stall_told = NULL, stall_look_at = crawler.next_stall_look(s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_at,
      s.rate_limited_until + ahead)
    FROM moving m WHERE s.session_id = m.session_id RETURNING 1
  )
  SELECT count(*) INTO recovered FROM moved;
  RETURN told + recovered;
END
$$;
