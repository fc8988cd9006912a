-- Makes the partition after the newest one, unless one is there that is not in use yet. It is made by itself and then
-- attached, which takes SHARE UPDATE EXCLUSIVE on the parent: no reader and no writer waits. (CREATE TABLE ...
-- PARTITION OF would lock all of them out.) With its owner's rights: the server's role may not create tables. Answers
-- its name; NULL: none was needed.
CREATE OR REPLACE FUNCTION crawler.make_partition(of_parent text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  newest crawler.log_partition;
  width bigint;
  new_name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('waymark partition ' || of_parent, 0));
  SELECT * INTO newest FROM crawler.log_partition p WHERE p.parent = of_parent ORDER BY p.first_id DESC LIMIT 1;
  IF NOT FOUND OR newest.opened_at IS NULL THEN
    RETURN NULL;
  END IF;
  width := newest.end_id - newest.first_id;
  new_name := of_parent || '_' || newest.end_id / width;
  EXECUTE format('CREATE TABLE crawler.%I (LIKE crawler.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE)',
    new_name, of_parent);
  EXECUTE format('ALTER TABLE crawler.%I ATTACH PARTITION crawler.%I FOR VALUES FROM (%s) TO (%s)',
    of_parent, new_name, newest.end_id, newest.end_id + width);
  INSERT INTO crawler.log_partition (name, parent, first_id, end_id) VALUES (new_name, of_parent, newest.end_id, newest.end_id + width);
  RETURN new_name;
END
$$;
REVOKE EXECUTE ON FUNCTION crawler.make_partition(text) FROM PUBLIC;
