-- Up to where the outbox is final, as far as anybody noted: a server that starts while an old transaction is open begins there, and not
-- where the outbox was pruned.

ALTER TABLE crawler.feed ADD COLUMN IF NOT EXISTS final_up_to BIGINT NOT NULL DEFAULT 0;

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- ALTER TABLE crawler.feed DROP COLUMN IF EXISTS final_up_to;
-- DELETE FROM crawler.schema_migration WHERE name = '009_final_position';
-- ROLLBACK END
