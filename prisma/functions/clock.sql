-- The one clock of leases and times; taken when asked, not when the transaction began. Tests replace it.
CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$ SELECT pg_catalog.clock_timestamp() $$;
