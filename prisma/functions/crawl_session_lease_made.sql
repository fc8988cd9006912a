CREATE OR REPLACE TRIGGER crawl_session_lease_made AFTER INSERT ON crawler.crawl_session
  FOR EACH ROW WHEN (NEW.status = 'running' AND NEW.epoch > 0 AND NEW.lease_expires_at IS NOT NULL)
  EXECUTE FUNCTION crawler.watch_lease();
