CREATE OR REPLACE TRIGGER crawl_session_no_truncate BEFORE TRUNCATE ON crawler.crawl_session
  FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();
