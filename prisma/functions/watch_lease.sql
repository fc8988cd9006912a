-- Has the reaper look at a session: when its lease ends, where it has just started, and otherwise with its next look.
CREATE OR REPLACE FUNCTION crawler.watch_lease() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO crawler.lease_look AS l (session_id, look_at)
  VALUES (NEW.session_id, CASE WHEN TG_OP = 'INSERT' THEN NEW.lease_expires_at ELSE least(NEW.lease_expires_at, crawler.lease_clock()) END)
  ON CONFLICT (session_id) DO UPDATE SET look_at = EXCLUDED.look_at WHERE l.look_at > EXCLUDED.look_at;
  RETURN NULL;
END
$$;
