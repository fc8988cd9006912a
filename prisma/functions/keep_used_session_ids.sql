-- With its owner's rights: whoever may delete a session need not have any in this table.
CREATE OR REPLACE FUNCTION crawler.keep_used_session_ids() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO crawler.used_session_id (id)
  SELECT d.session_id::uuid FROM deleted d WHERE crawler.is_made_id(d.session_id) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
