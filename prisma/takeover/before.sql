-- Takes over a database at migration 013 of before the migrations were written anew (commit e3be305), in one
-- transaction: this, then the first seven of prisma/migrations, then after.sql. Rows stay, and the feeds' cursors stay
-- valid. Nothing was ever released with that schema: stop the servers for it.

-- Their signatures changed.
DROP FUNCTION IF EXISTS crawler.record_change(crawler.crawl_state, text, text, text, text, integer, text, integer, integer, timestamptz);
DROP FUNCTION IF EXISTS crawler.cleared(crawler.crawl_state);
DROP FUNCTION IF EXISTS crawler.checkpoint_json(crawler.crawl_checkpoint, crawler.crawl_state);
DROP FUNCTION IF EXISTS crawler.is_live(crawler.crawl_session);
DROP FUNCTION IF EXISTS crawler.store_list(text[]);
DROP FUNCTION IF EXISTS crawler.start_session(text, text, text, boolean, boolean, text, integer, text, boolean, text, text[]);

ALTER TABLE crawler.crawl_state SET (autovacuum_vacuum_scale_factor = 0.05);

-- A list belongs to the user whose checkpoint refers to it. Those that nothing refers to would have been pruned.
ALTER TABLE crawler.checkpoint_revision
  DROP CONSTRAINT checkpoint_revision_head_list_id_fkey, DROP CONSTRAINT checkpoint_revision_anchor_list_id_fkey;
ALTER TABLE crawler.item_list ADD COLUMN user_id VARCHAR(255);
UPDATE crawler.item_list l SET user_id = coalesce(
  (SELECT s.user_id FROM crawler.crawl_state s WHERE s.head_list_id = l.list_id LIMIT 1),
  (SELECT s.user_id FROM crawler.crawl_state s WHERE s.anchor_list_id = l.list_id LIMIT 1),
  (SELECT r.user_id FROM crawler.checkpoint_revision r WHERE r.head_list_id = l.list_id LIMIT 1),
  (SELECT r.user_id FROM crawler.checkpoint_revision r WHERE r.anchor_list_id = l.list_id LIMIT 1));
DELETE FROM crawler.item_list WHERE user_id IS NULL;
ALTER TABLE crawler.item_list ALTER COLUMN user_id SET NOT NULL, DROP CONSTRAINT item_list_pkey;
ALTER TABLE crawler.item_list ADD CONSTRAINT item_list_pkey PRIMARY KEY (user_id, list_id);
ALTER TABLE crawler.checkpoint_revision
  ADD CONSTRAINT checkpoint_revision_head_list_fkey FOREIGN KEY (user_id, head_list_id) REFERENCES crawler.item_list (user_id, list_id),
  ADD CONSTRAINT checkpoint_revision_anchor_list_fkey FOREIGN KEY (user_id, anchor_list_id) REFERENCES crawler.item_list (user_id, list_id);

-- Out of the way of the partitioned tables.
ALTER TABLE crawler.feed_event RENAME TO feed_event_before;
ALTER TABLE crawler.feed_event_before RENAME CONSTRAINT feed_event_pkey TO feed_event_0_pkey;
DROP INDEX crawler.feed_event_occurred;
ALTER TABLE crawler.idempotency_key RENAME TO idempotency_key_before;
ALTER TABLE crawler.idempotency_key_before DROP CONSTRAINT idempotency_key_pkey;
DROP INDEX crawler.idempotency_key_recorded;
