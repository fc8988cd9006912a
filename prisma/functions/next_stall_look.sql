-- When a session that makes progress may have stalled: five leases after it moved, and not before its rate limit ends.
-- All on the lease clock. A loop is looked for at once: the save that finds it says so.
CREATE OR REPLACE FUNCTION crawler.next_stall_look(
  lease_seconds integer, moved_at timestamptz, lease_now timestamptz, limited_until timestamptz
) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $$
  SELECT greatest(moved_at + 5 * lease_seconds * interval '1 second', CASE WHEN limited_until > lease_now THEN limited_until END)
$$;
