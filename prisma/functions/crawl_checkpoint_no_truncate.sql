-- On the parent and on each partition: a statement's trigger fires for the table that the statement names.
CREATE OR REPLACE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.crawl_checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();
CREATE OR REPLACE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.twitter_crawl_checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();
CREATE OR REPLACE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.crawl_checkpoint_other
  FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();
