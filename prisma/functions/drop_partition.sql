-- Drops a partition that was detached; one that is attached stays, and the answer is false. With its owner's rights, as
-- make_partition.
CREATE OR REPLACE FUNCTION crawler.drop_partition(of_name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  retired CONSTANT regclass := to_regclass('crawler.' || quote_ident(of_name));
BEGIN
  IF NOT EXISTS (SELECT FROM crawler.log_partition p WHERE p.name = of_name AND p.opened_at IS NOT NULL)
    OR (SELECT c.relispartition FROM pg_class c WHERE c.oid = retired) THEN
    RETURN false;
  END IF;
  IF retired IS NOT NULL THEN
    EXECUTE format('DROP TABLE %s', retired);
  END IF;
  DELETE FROM crawler.log_partition p WHERE p.name = of_name;
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION crawler.drop_partition(text) FROM PUBLIC;
