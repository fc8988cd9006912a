-- 007: API keys of crawlers, and what keeps a feed's cursor from telling a caller of others.

-- A key is wm_<key_id>_<secret>; of the secret only the hash is kept. Never deleted: a history's actor may name it.
CREATE TABLE IF NOT EXISTS crawler.api_key (
  key_id VARCHAR(32) PRIMARY KEY,
  -- Whose key it is: the history and the log say "key:<client>".
  client VARCHAR(200) NOT NULL,
  -- SHA-256 of the whole key.
  hash BYTEA NOT NULL CONSTRAINT api_key_hash_is_sha256 CHECK (octet_length(hash) = 32),
  scopes TEXT[] NOT NULL,
  -- NULL: every user; else no other exists for it.
  user_ids TEXT[],
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  created_by VARCHAR(255) NOT NULL,
  -- NULL: never.
  expires_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);
CREATE INDEX IF NOT EXISTS api_key_client ON crawler.api_key (client);

-- Seals the cursors of callers bound to some users: an event's number would tell how much others do.
CREATE TABLE IF NOT EXISTS crawler.cursor_seal (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  secret BYTEA NOT NULL DEFAULT sha256((gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);
INSERT INTO crawler.cursor_seal DEFAULT VALUES ON CONFLICT DO NOTHING;

-- To take this back (docs/database.md, Rolling back). The keys are gone with it.
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.cursor_seal;
-- DROP TABLE IF EXISTS crawler.api_key;
-- DELETE FROM crawler.schema_migration WHERE name = '007_access';
-- ROLLBACK END
