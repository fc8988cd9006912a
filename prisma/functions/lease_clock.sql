-- The clock that leases are compared with. What clients are shown is on crawler.clock(): subtract
-- crawler.lease_offset().
CREATE OR REPLACE FUNCTION crawler.lease_clock() RETURNS timestamptz
LANGUAGE sql VOLATILE
AS $$ SELECT crawler.clock() + crawler.lease_offset() $$;
