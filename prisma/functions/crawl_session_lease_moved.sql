-- Not where a lease is renewed, as nearly every save does. A lease that ends earlier than it did (a rate limit is over),
-- one that begins again, a session that may be in a loop, and one whose stall was told and that has made progress.
-- Each column apart: PostgreSQL prints a comparison of rows in another way after a dump, and verify would name it.
CREATE OR REPLACE TRIGGER crawl_session_lease_moved AFTER UPDATE ON crawler.crawl_session
  FOR EACH ROW WHEN (NEW.status = 'running' AND NEW.epoch > 0 AND NEW.lease_expires_at IS NOT NULL AND (
    NEW.lease_expires_at < OLD.lease_expires_at OR OLD.lease_expires_at IS NULL OR OLD.status <> 'running' OR OLD.epoch <= 0
    OR NEW.session_id <> OLD.session_id OR NEW.stall_look_at IS DISTINCT FROM OLD.stall_look_at
    OR (NEW.stall_told IS NOT NULL AND (NEW.position_moved_at IS DISTINCT FROM OLD.position_moved_at
      OR NEW.started_at IS DISTINCT FROM OLD.started_at OR NEW.loop_hits IS DISTINCT FROM OLD.loop_hits
      OR NEW.empty_saves IS DISTINCT FROM OLD.empty_saves OR NEW.rate_limited_until IS DISTINCT FROM OLD.rate_limited_until
      OR NEW.lease_seconds IS DISTINCT FROM OLD.lease_seconds))
    OR NEW.lease_seconds < OLD.lease_seconds))
  EXECUTE FUNCTION crawler.watch_lease();
