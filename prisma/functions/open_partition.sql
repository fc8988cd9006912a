-- Lets what is written from now on go to the next partition, where the current one was opened longer ago than this: the
-- sequence of the IDs jumps to the next partition's first. Each partition has room for 100,000,000,000 IDs, so that
-- where this never runs, all goes on into the current one, and no clock decides where a row goes. Answers true where it
-- did. A statement that began before the next partition was attached does not know it, and would fail ("no partition of
-- relation found"): the jump waits until the transactions of then are over. It is tried again at the next run.
CREATE OR REPLACE FUNCTION crawler.open_partition(of_parent text, after interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now timestamptz := crawler.clock();
  next crawler.log_partition;
  writers text[];
  ids CONSTANT regclass := ('crawler.' || quote_ident(of_parent || '_id'))::regclass;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('waymark partition ' || of_parent, 0)) THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM crawler.log_partition p WHERE p.parent = of_parent AND p.opened_at > now - after) THEN
    RETURN false;
  END IF;
  SELECT * INTO next FROM crawler.log_partition p WHERE p.parent = of_parent AND p.opened_at IS NULL ORDER BY p.first_id LIMIT 1;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- A prepared transaction (no pid) writes nothing more.
  writers := ARRAY(SELECT DISTINCT l.virtualtransaction FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.relation = ('crawler.' || quote_ident(of_parent))::regclass AND l.mode = 'RowExclusiveLock'
      AND l.granted AND l.pid IS NOT NULL AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
  -- Those open at the first look after the partition was attached. Later ones have locked the table since, and know it.
  UPDATE crawler.log_partition p SET waits_for = writers WHERE p.name = next.name AND p.waits_for IS NULL;
  IF writers && coalesce(next.waits_for, writers) THEN
    RETURN false;
  END IF;
  -- Never back: an earlier run may have jumped and then failed to note it.
  IF coalesce(pg_sequence_last_value(ids), 0) < next.first_id - 1 THEN
    PERFORM setval(ids, next.first_id - 1);
  END IF;
  UPDATE crawler.log_partition p SET opened_at = now WHERE p.name = next.name;
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION crawler.open_partition(text, interval) FROM PUBLIC;
