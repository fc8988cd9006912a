-- Why a live session makes no progress; NULL: it does. stallReasonOf (src/crawl/session/stall.ts) is the same.
--   moved_at, lease_now   on the lease clock
--   limited_until, now    on crawler.clock()
-- moved_at may be infinite, where another program wrote it: before PostgreSQL 17 such times cannot be subtracted.
CREATE OR REPLACE FUNCTION crawler.stall_reason(
  loop_hits integer, empty_saves integer, lease_seconds integer, moved_at timestamptz, lease_now timestamptz,
  limited_until timestamptz, now timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
  SELECT CASE
    WHEN loop_hits >= 3 OR empty_saves >= 100 THEN 'LOOP'
    WHEN (limited_until > now) IS NOT TRUE AND moved_at < lease_now - lease_seconds * interval '5 seconds' THEN 'NO_PROGRESS' END
$$;
