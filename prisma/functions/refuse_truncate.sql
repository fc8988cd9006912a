-- TRUNCATE fires no row trigger: the feed would never hear of it.
CREATE OR REPLACE FUNCTION crawler.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'TRUNCATE of %.% would go unnoticed by its watchers', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING HINT = 'Use DELETE.';
END
$$;
