-- 005: the outbox of the feeds, and the partitions of the tables that only grow (docs/adr/0017-partitions-and-keys.md).

-- A cursor names a generation and an event; after a restore a new generation makes old cursors recognisable.
CREATE TABLE IF NOT EXISTS crawler.feed (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  generation UUID NOT NULL DEFAULT gen_random_uuid(),
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  -- Events up to this one may be gone: a cursor before it can't be continued without a gap.
  pruned_up_to BIGINT NOT NULL DEFAULT 0,
  -- Up to where the outbox is final, as far as anybody noted: a server that starts while an old transaction is open
  -- begins there, and not where the outbox was pruned.
  final_up_to BIGINT NOT NULL DEFAULT 0
);
INSERT INTO crawler.feed DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The partitions of feed_event and idempotency_key. Each is a range of IDs, and a sequence gives those out, so that no
-- clock decides where a row goes. The one that was opened last is written; those before it can be retired once all in
-- them is old.
CREATE TABLE IF NOT EXISTS crawler.log_partition (
  name TEXT PRIMARY KEY,
  parent TEXT NOT NULL,
  first_id BIGINT NOT NULL,
  -- Exclusive.
  end_id BIGINT NOT NULL,
  -- When the sequence jumped to its first ID; NULL: made ahead, not in use.
  opened_at TIMESTAMPTZ,
  -- The virtual transaction IDs of those that may not know it yet (open_partition); NULL: nobody has looked.
  waits_for TEXT[],
  CONSTRAINT log_partition_parent_first_id_key UNIQUE (parent, first_id)
);

CREATE SEQUENCE IF NOT EXISTS crawler.feed_event_id;
CREATE TABLE IF NOT EXISTS crawler.feed_event (
  event_id BIGINT NOT NULL DEFAULT nextval('crawler.feed_event_id'),
  occurred_at TIMESTAMPTZ NOT NULL,
  kind VARCHAR(50) NOT NULL,
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  session_id VARCHAR(255),
  previous_status VARCHAR(50),
  status VARCHAR(50),
  version INTEGER,
  last_item_id VARCHAR(255),
  bookmarks_count INTEGER,
  PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
ALTER SEQUENCE crawler.feed_event_id OWNED BY crawler.feed_event.event_id;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM crawler.log_partition WHERE parent = 'feed_event') THEN
    CREATE TABLE crawler.feed_event_0 PARTITION OF crawler.feed_event FOR VALUES FROM (0) TO (100000000000);
    CREATE TABLE crawler.feed_event_1 PARTITION OF crawler.feed_event FOR VALUES FROM (100000000000) TO (200000000000);
    INSERT INTO crawler.log_partition (name, parent, first_id, end_id, opened_at) VALUES
      ('feed_event_0', 'feed_event', 0, 100000000000, clock_timestamp()),
      ('feed_event_1', 'feed_event', 100000000000, 200000000000, NULL);
  END IF;
END
$$;

-- To take this back (docs/database.md, Rolling back). Events are lost, and every cursor with them.
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.feed_event;
-- DROP TABLE IF EXISTS crawler.log_partition;
-- DROP TABLE IF EXISTS crawler.feed;
-- DELETE FROM crawler.schema_migration WHERE name = '005_outbox';
-- ROLLBACK END
