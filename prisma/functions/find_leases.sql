-- Compares the next 500 live leases with crawler.lease_look, and adds those that it lacks: restored while triggers were
-- off, or written by a version before. Answers up to which session_id it looked; empty: it begins anew.
CREATE OR REPLACE FUNCTION crawler.find_leases(after text, lease_now timestamptz) RETURNS text
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
  most CONSTANT integer := 500;
  last text;
  looked integer;
BEGIN
  WITH live AS MATERIALIZED (
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.session_id > after ORDER BY s.session_id LIMIT most
  ), added AS (
    INSERT INTO crawler.lease_look (session_id, look_at)
    SELECT l.session_id, lease_now FROM live l WHERE NOT EXISTS (SELECT FROM crawler.lease_look k WHERE k.session_id = l.session_id)
    ON CONFLICT DO NOTHING
  )
  SELECT max(l.session_id), count(*) INTO last, looked FROM live l;
  RETURN CASE WHEN looked = most THEN last ELSE '' END;
END
$$;
