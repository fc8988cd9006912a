CREATE OR REPLACE TRIGGER crawl_session_feed AFTER INSERT OR UPDATE OR DELETE ON crawler.crawl_session
  FOR EACH ROW EXECUTE FUNCTION crawler.record_session_event();
