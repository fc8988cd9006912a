-- The one clock of times; taken when asked, not when the transaction began. Tests replace it. Leases go by the lease
-- clock (lease_offset), which follows from it.
CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
AS $$ SELECT pg_catalog.clock_timestamp() $$;
