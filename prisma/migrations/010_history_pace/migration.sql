-- 010: each save prunes the history of its list, and knows without a look whether there is anything to prune.

ALTER TABLE crawler.crawl_state
  -- When the oldest revision of the list was recorded, as the last look found it. NULL: nobody has looked.
  ADD COLUMN IF NOT EXISTS oldest_revision_at TIMESTAMPTZ;

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- ALTER TABLE crawler.crawl_state DROP COLUMN IF EXISTS oldest_revision_at;
-- DELETE FROM crawler.schema_migration WHERE name = '010_history_pace';
-- ROLLBACK END
