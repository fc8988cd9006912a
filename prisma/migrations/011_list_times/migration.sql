-- 011: when lists were last started and last completed before 008, as their sessions say. Without it a scheduler would
-- take all of them for lists that were never crawled.

-- In batches, since writers must not wait: it waits for another transaction's row only while it holds none.
CREATE OR REPLACE PROCEDURE crawler.fill_list_times()
LANGUAGE plpgsql
AS $$
DECLARE
  list record;
  lists integer := 0;
BEGIN
  FOR list IN
    WITH cleared AS (
      -- A clear forgets when the list was completed; a rollback does not.
      SELECT r.user_id, r.stream, max(r.recorded_at) AS cleared_at FROM crawler.checkpoint_revision r
      WHERE r.last_item_id IS NULL AND r.source <> 'ROLLBACK' GROUP BY 1, 2
    )
    -- Adopted rows may hold any time.
    SELECT s.user_id, s.stream, max(s.started_at) FILTER (WHERE s.started_at > '-infinity' AND s.started_at <= now()) AS started_at,
      max(s.completed_at) FILTER (WHERE s.status = 'completed' AND s.mode IS DISTINCT FROM 'CATCH_UP'
        AND s.completed_at > coalesce(c.cleared_at, '-infinity') AND s.completed_at <= now()) AS completed_at
    FROM crawler.crawl_session s LEFT JOIN cleared c ON c.user_id = s.user_id AND c.stream = s.stream
    GROUP BY s.user_id, s.stream
  LOOP
    PERFORM FROM crawler.crawl_state st WHERE st.user_id = list.user_id AND st.stream = list.stream FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      COMMIT;
      -- A list of adopted sessions, without a checkpoint, has no state yet.
      INSERT INTO crawler.crawl_state (user_id, stream) VALUES (list.user_id, list.stream) ON CONFLICT DO NOTHING;
    END IF;
    UPDATE crawler.crawl_state st
    SET last_started_at = greatest(st.last_started_at, list.started_at), last_completed_at = coalesce(st.last_completed_at, list.completed_at)
    WHERE st.user_id = list.user_id AND st.stream = list.stream
      AND (st.last_started_at, st.last_completed_at)
        IS DISTINCT FROM (greatest(st.last_started_at, list.started_at), coalesce(st.last_completed_at, list.completed_at));
    lists := lists + 1;
    IF lists % 500 = 0 THEN
      COMMIT;
    END IF;
  END LOOP;
END
$$;

-- To take this back (docs/database.md, Rolling back). The times stay.
-- ROLLBACK BEGIN
-- DROP PROCEDURE IF EXISTS crawler.fill_list_times();
-- DELETE FROM crawler.schema_migration WHERE name = '011_list_times';
-- ROLLBACK END
