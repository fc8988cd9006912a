-- Not where a lease is renewed, as nearly every save does. A lease that ends earlier than it did (a rate limit is over),
-- one that begins again, a session that may be in a loop, and one whose stall was told and that has made progress.
CREATE OR REPLACE TRIGGER crawl_session_lease_moved AFTER UPDATE ON crawler.crawl_session
  FOR EACH ROW WHEN (NEW.status = 'running' AND NEW.epoch > 0 AND NEW.lease_expires_at IS NOT NULL AND (
    NEW.lease_expires_at < OLD.lease_expires_at OR OLD.lease_expires_at IS NULL OR OLD.status <> 'running' OR OLD.epoch <= 0
    OR NEW.session_id <> OLD.session_id OR NEW.stall_look_at IS DISTINCT FROM OLD.stall_look_at
    OR (NEW.stall_told IS NOT NULL AND (NEW.position_moved_at, NEW.started_at, NEW.loop_hits, NEW.empty_saves, NEW.rate_limited_until, NEW.lease_seconds)
      IS DISTINCT FROM (OLD.position_moved_at, OLD.started_at, OLD.loop_hits, OLD.empty_saves, OLD.rate_limited_until, OLD.lease_seconds))
    OR NEW.lease_seconds < OLD.lease_seconds))
  EXECUTE FUNCTION crawler.watch_lease();
