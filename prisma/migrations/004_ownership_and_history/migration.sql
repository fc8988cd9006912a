-- 004: who owns a crawl, what a checkpoint knows beyond the literal columns, and the history of every change by
-- anybody. Keys begin with user_id, so that these tables can be distributed by user (docs/adr/0017-partitions-and-
-- keys.md).

-- One row per (user, stream). It outlives a clear, and the user: an epoch that began anew at 1 would let a zombie match
-- by accident. What the crawl contract adds to a checkpoint lives here and not in the literal table, so that a trigger
-- can follow a foreign write of that table without writing the row again.
CREATE TABLE IF NOT EXISTS crawler.crawl_state (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  -- Of the last startSession; the fence.
  epoch INTEGER NOT NULL DEFAULT 0,
  owner_session_id VARCHAR(255),
  -- Of the last change; raised by record_change and save_plain only.
  version INTEGER NOT NULL DEFAULT 0,
  page_token TEXT,
  head_list_id BIGINT,
  anchor_list_id BIGINT,
  complete BOOLEAN NOT NULL DEFAULT FALSE,
  -- The session whose save made the checkpoint incomplete: only it may tell the head.
  opened_by_session_id VARCHAR(255),
  -- Epoch of the session that wrote the checkpoint last; 0: none.
  written_epoch INTEGER NOT NULL DEFAULT 0,
  -- The position as text that compares byte by byte as the platform's IDs do; NULL: unknown.
  order_key TEXT COLLATE "C",
  PRIMARY KEY (user_id, stream)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Who still refers to a list, for those that prune it.
CREATE INDEX IF NOT EXISTS crawl_state_head ON crawler.crawl_state (head_list_id) WHERE head_list_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS crawl_state_anchor ON crawler.crawl_state (anchor_list_id) WHERE anchor_list_id IS NOT NULL;

-- Heads and anchors, stored once and referenced: a crawl's head is in each of its revisions.
CREATE TABLE IF NOT EXISTS crawler.item_list (
  user_id VARCHAR(255) NOT NULL,
  list_id BIGINT GENERATED ALWAYS AS IDENTITY,
  item_ids TEXT[] NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, list_id)
);
-- A list's ID is unique by its sequence; who reads or prunes lists names it alone.
CREATE INDEX IF NOT EXISTS item_list_list_id ON crawler.item_list (list_id);

CREATE TABLE IF NOT EXISTS crawler.checkpoint_revision (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  version INTEGER NOT NULL,
  source VARCHAR(50) NOT NULL,
  actor VARCHAR(255),
  -- NULL: cleared.
  last_item_id VARCHAR(255),
  bookmarks_count INTEGER NOT NULL,
  -- Growth of bookmarks_count; shrinking counts 0.
  bookmarks_added INTEGER NOT NULL,
  page_token TEXT,
  head_list_id BIGINT,
  anchor_list_id BIGINT,
  complete BOOLEAN NOT NULL,
  order_key TEXT COLLATE "C",
  session_id VARCHAR(255),
  epoch INTEGER NOT NULL,
  last_crawled_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (user_id, stream, version),
  CONSTRAINT checkpoint_revision_head_list_fkey FOREIGN KEY (user_id, head_list_id) REFERENCES crawler.item_list (user_id, list_id),
  CONSTRAINT checkpoint_revision_anchor_list_fkey FOREIGN KEY (user_id, anchor_list_id) REFERENCES crawler.item_list (user_id, list_id)
);
CREATE INDEX IF NOT EXISTS checkpoint_revision_recorded ON crawler.checkpoint_revision (recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_user_recorded ON crawler.checkpoint_revision (user_id, recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_stream_recorded ON crawler.checkpoint_revision (stream, recorded_at);
CREATE INDEX IF NOT EXISTS checkpoint_revision_head ON crawler.checkpoint_revision (head_list_id) WHERE head_list_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS checkpoint_revision_anchor ON crawler.checkpoint_revision (anchor_list_id) WHERE anchor_list_id IS NOT NULL;

-- To take this back (docs/database.md, Rolling back). The history is lost.
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.checkpoint_revision;
-- DROP TABLE IF EXISTS crawler.item_list;
-- DROP TABLE IF EXISTS crawler.crawl_state;
-- DELETE FROM crawler.schema_migration WHERE name = '004_ownership_and_history';
-- ROLLBACK END
