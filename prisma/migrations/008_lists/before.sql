-- What migration.sql would do with tables with rows while it holds its locks. Each statement runs by itself, before
-- migration.sql, and can be repeated (docs/adr/0002-migrations.md).
/* if (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = 'public."user"'::regclass) */
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_id_code_points ON public."user" (id COLLATE "C");
ALTER TABLE crawler.checkpoint_revision
  ADD COLUMN IF NOT EXISTS full_pass BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN IF NOT EXISTS full_pass_has_item BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN IF NOT EXISTS catch_up_started_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS catch_up_item_id VARCHAR(255),
  ADD COLUMN IF NOT EXISTS catch_up_page_token TEXT,
  ADD COLUMN IF NOT EXISTS catch_up_head_list_id BIGINT;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'checkpoint_revision_catch_up_head_list_fkey') THEN ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_catch_up_head_list_fkey FOREIGN KEY (user_id, catch_up_head_list_id) REFERENCES crawler.item_list (user_id, list_id) NOT VALID; END IF; END $$;
ALTER TABLE crawler.checkpoint_revision VALIDATE CONSTRAINT checkpoint_revision_catch_up_head_list_fkey;
