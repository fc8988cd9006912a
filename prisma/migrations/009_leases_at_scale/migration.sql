-- 009: a tick of the reaper takes as long as what is due, however many leases live.

-- When a reaper next looks at a session with a lease: when the lease ends, or earlier where the session may stall before.
-- A table of its own, since the session's row has some twenty indexes. A renewal does not write it. No foreign key: a
-- row without its session goes when it is due.
CREATE TABLE IF NOT EXISTS crawler.lease_look (
  session_id VARCHAR(255) PRIMARY KEY,
  -- On the lease clock.
  look_at TIMESTAMPTZ NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX IF NOT EXISTS lease_look_look_at ON crawler.lease_look (look_at);

ALTER TABLE crawler.reaper
  -- The last outage, in which nobody could renew: who was alive at the look before it has a whole lease from its end
  -- (crawler.lease_end). Both are on the lease clock. NULL: there was none.
  ADD COLUMN IF NOT EXISTS alive_after TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS alive_again_at TIMESTAMPTZ,
  -- Up to which session_id live leases were last compared with lease_look.
  ADD COLUMN IF NOT EXISTS swept_up_to VARCHAR(255) NOT NULL DEFAULT '';

-- To take this back (docs/database.md, Rolling back). A lease that only the last outage keeps alive ends at once.
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.lease_look;
-- ALTER TABLE crawler.reaper DROP COLUMN IF EXISTS alive_after, DROP COLUMN IF EXISTS alive_again_at, DROP COLUMN IF EXISTS swept_up_to;
-- DELETE FROM crawler.schema_migration WHERE name = '009_leases_at_scale';
-- ROLLBACK END
