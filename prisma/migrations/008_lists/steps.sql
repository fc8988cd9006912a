-- Who still refers to a list, for those that prune it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_catch_up_head ON crawler.crawl_state (catch_up_head_list_id)
  WHERE catch_up_head_list_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoint_revision_catch_up_head ON crawler.checkpoint_revision (catch_up_head_list_id)
  WHERE catch_up_head_list_id IS NOT NULL;
