-- Looks at the sessions that are due in crawler.lease_look: ends those whose lease had run out at `lease_now`, tells the
-- feeds of those that stalled or make progress again (the trigger on crawl_session writes the events), and notes when to
-- look again. Answers how many were ended and told, and whether more may be due: a call looks at 1,000 at most, and
-- writes 50 of them. A session whose row somebody holds is being written just now; it waits for the next call.
CREATE OR REPLACE FUNCTION crawler.look_at_leases(
  now timestamptz, lease_now timestamptz, OUT reaped integer, OUT told integer, OUT is_full boolean
)
LANGUAGE plpgsql
-- By index only, planned once: the table may have grown since the session planned.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
  most_looks CONSTANT integer := 1000;
  most_writes CONSTANT integer := 50;
  ahead CONSTANT interval := lease_now - now;
  looks integer;
  writes integer := 0;
  due record;
  held crawler.crawl_session;
  reason text;
BEGIN
  reaped := 0;
  told := 0;
  FOR due IN
    WITH due AS MATERIALIZED (
      SELECT l.session_id FROM crawler.lease_look l WHERE l.look_at <= lease_now ORDER BY l.look_at LIMIT most_looks FOR UPDATE SKIP LOCKED
    ), judged AS MATERIALIZED (
      SELECT d.session_id, s.session_id IS NOT NULL AS is_running, ends.at AS ends_at, stall.look_at AS stall_at,
        (stall.reason IS NULL) <> (s.stall_told IS NULL) AS has_news
      FROM due d
      LEFT JOIN crawler.crawl_session s ON s.session_id = d.session_id AND s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at IS NOT NULL
      CROSS JOIN LATERAL (SELECT crawler.lease_end(s.lease_expires_at, s.lease_seconds, s.heartbeat_at) AS at) AS ends
      CROSS JOIN LATERAL (SELECT
        crawler.stall_reason(s.loop_hits, s.empty_saves, s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_now,
          s.rate_limited_until, now) AS reason,
        CASE WHEN s.stall_told IS NULL THEN crawler.next_stall_look(s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_now,
          s.rate_limited_until + ahead) END AS look_at) AS stall
    ), gone AS (
      DELETE FROM crawler.lease_look l USING judged j WHERE l.session_id = j.session_id AND NOT j.is_running
    ), later AS (
      UPDATE crawler.lease_look l
      -- A stall that is due has been told, or is not one yet at this very moment.
      SET look_at = least(j.ends_at, CASE WHEN j.stall_at IS NOT NULL THEN greatest(j.stall_at, lease_now + interval '1 second') END)
      FROM judged j WHERE l.session_id = j.session_id AND j.is_running AND j.ends_at > lease_now AND NOT j.has_news
    )
    SELECT j.session_id, j.is_running AND (j.ends_at <= lease_now OR j.has_news) AS is_written, count(*) OVER () AS looks FROM judged j
  LOOP
    looks := due.looks;
    CONTINUE WHEN NOT due.is_written;
    EXIT WHEN writes = most_writes;
    writes := writes + 1;
    SELECT * INTO held FROM crawler.crawl_session c WHERE c.session_id = due.session_id FOR UPDATE SKIP LOCKED;
    -- Otherwise it stays due: what another transaction has just written is judged by the next call.
    CONTINUE WHEN NOT FOUND OR held.status <> 'running' OR held.lease_expires_at IS NULL;
    IF crawler.lease_end(held.lease_expires_at, held.lease_seconds, held.heartbeat_at) <= lease_now THEN
      PERFORM crawler.expire_session(held.session_id, now);
      DELETE FROM crawler.lease_look l WHERE l.session_id = held.session_id;
      reaped := reaped + 1;
      CONTINUE;
    END IF;
    reason := crawler.stall_reason(held.loop_hits, held.empty_saves, held.lease_seconds, coalesce(held.position_moved_at, held.started_at), lease_now,
      held.rate_limited_until, now);
    CONTINUE WHEN (reason IS NULL) = (held.stall_told IS NULL);
    UPDATE crawler.crawl_session c SET stall_told = reason WHERE c.session_id = held.session_id;
    UPDATE crawler.lease_look l
    SET look_at = least(crawler.lease_end(held.lease_expires_at, held.lease_seconds, held.heartbeat_at), CASE WHEN reason IS NULL THEN greatest(lease_now + interval '1 second',
      crawler.next_stall_look(held.lease_seconds, coalesce(held.position_moved_at, held.started_at), lease_now, held.rate_limited_until + ahead)) END)
    WHERE l.session_id = held.session_id;
    told := told + 1;
  END LOOP;
  is_full := coalesce(looks, 0) >= most_looks OR writes >= most_writes;
END
$$;
