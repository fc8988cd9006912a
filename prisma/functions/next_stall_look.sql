-- When a session that makes progress may have stalled: five leases after it moved. One that is rate limited may tell at
-- any moment that it no longer is: after a lease at the most. All on the lease clock. A loop is looked for at once: the
-- save that finds it says so.
CREATE OR REPLACE FUNCTION crawler.next_stall_look(
  lease_seconds integer, moved_at timestamptz, lease_now timestamptz, limited_until timestamptz
) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $$
  SELECT greatest(moved_at + lease_seconds * interval '5 seconds', CASE WHEN limited_until > lease_now THEN least(limited_until, lease_now + lease_seconds * interval '1 second') END)
$$;
