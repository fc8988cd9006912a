CREATE OR REPLACE TRIGGER crawl_session_used_ids AFTER DELETE ON crawler.crawl_session
  REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION crawler.keep_used_session_ids();
