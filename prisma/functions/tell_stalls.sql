-- Tells the feeds which live sessions have stalled, and which make progress again; answers how many. Servers of a version
-- before call it: crawler.look_at_leases does so by itself.
CREATE OR REPLACE FUNCTION crawler.tell_stalls() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  at CONSTANT timestamptz := crawler.clock();
BEGIN
  RETURN (SELECT l.told FROM crawler.look_at_leases(at, at + crawler.lease_offset()) l);
END
$$;
