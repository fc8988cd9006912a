-- Why a live session makes no progress; NULL: it does. stallReasonOf (src/crawl/session/stall.ts) is the same.
--   moved_at, lease_now   on the lease clock
--   limited_until, now    on crawler.clock()
CREATE OR REPLACE FUNCTION crawler.stall_reason(
  loop_hits integer, empty_saves integer, lease_seconds integer, moved_at timestamptz, lease_now timestamptz,
  limited_until timestamptz, now timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
  SELECT CASE
    WHEN loop_hits >= 3 OR empty_saves >= 100 THEN 'LOOP'
    WHEN (limited_until > now) IS NOT TRUE AND lease_now - moved_at > 5 * lease_seconds * interval '1 second' THEN 'NO_PROGRESS' END
$$;
