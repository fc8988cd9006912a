-- Whether a session owns its list now: it runs, was started through the API (epoch above 0), and its lease has not run
-- out.
CREATE OR REPLACE FUNCTION crawler.is_live(status text, epoch integer, lease_expires_at timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE
AS $$ SELECT status = 'running' AND epoch > 0 AND lease_expires_at > crawler.lease_clock() $$;
