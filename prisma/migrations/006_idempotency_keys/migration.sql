-- 006: a repeat of a save is recognised by its key, for 24 h. The partitions are those of some hours, and are retired
-- whole. The key is unique to its list by the lock of the list's row of crawl_state, which whoever looks or writes here
-- holds; the primary key is there to find it, and begins with user_id. key_id only says into which partition a row
-- goes.

CREATE SEQUENCE IF NOT EXISTS crawler.idempotency_key_id;
CREATE TABLE IF NOT EXISTS crawler.idempotency_key (
  user_id VARCHAR(255) NOT NULL,
  stream VARCHAR(255) NOT NULL,
  key VARCHAR(255) NOT NULL,
  fingerprint TEXT NOT NULL,
  created BOOLEAN NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  key_id BIGINT NOT NULL DEFAULT nextval('crawler.idempotency_key_id'),
  PRIMARY KEY (user_id, stream, key, key_id)
) PARTITION BY RANGE (key_id);
ALTER SEQUENCE crawler.idempotency_key_id OWNED BY crawler.idempotency_key.key_id;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM crawler.log_partition WHERE parent = 'idempotency_key') THEN
    CREATE TABLE crawler.idempotency_key_0 PARTITION OF crawler.idempotency_key FOR VALUES FROM (0) TO (100000000000);
    CREATE TABLE crawler.idempotency_key_1 PARTITION OF crawler.idempotency_key FOR VALUES FROM (100000000000) TO (200000000000);
    INSERT INTO crawler.log_partition (name, parent, first_id, end_id, opened_at) VALUES
      ('idempotency_key_0', 'idempotency_key', 0, 100000000000, clock_timestamp()),
      ('idempotency_key_1', 'idempotency_key', 100000000000, 200000000000, NULL);
  END IF;
END
$$;

-- To take this back (docs/database.md, Rolling back).
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.idempotency_key;
-- DELETE FROM crawler.log_partition WHERE parent = 'idempotency_key';
-- DELETE FROM crawler.schema_migration WHERE name = '006_idempotency_keys';
-- ROLLBACK END
