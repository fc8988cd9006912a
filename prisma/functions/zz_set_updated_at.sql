-- zz: triggers fire in the order of their names, and this one has the last word over any that an adopted table brings.
CREATE OR REPLACE TRIGGER zz_set_updated_at BEFORE UPDATE ON crawler.crawl_checkpoint
  FOR EACH ROW EXECUTE FUNCTION crawler.set_updated_at();
