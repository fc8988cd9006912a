-- API keys of crawlers, and what keeps a feed's cursor from telling a caller of others.

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

-- Adds a key and answers true, unless the client has two live ones: one to use and one to change to.
CREATE OR REPLACE FUNCTION crawler.create_api_key(
  new_id text, of_client text, new_hash bytea, may text[], only_users text[], until timestamptz, by_subject text
) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
  now timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('waymark api key ' || of_client, 0));
  now := crawler.clock();
  IF (SELECT count(*) FROM crawler.api_key k
      WHERE k.client = of_client AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now)) >= 2 THEN
    RETURN false;
  END IF;
  INSERT INTO crawler.api_key (key_id, client, hash, scopes, user_ids, created_at, created_by, expires_at)
  VALUES (new_id, of_client, new_hash, may, only_users, now, by_subject, until);
  RETURN true;
END
$$;

-- Seals the cursors of callers bound to some users: an event's number would tell how much others do.
CREATE TABLE IF NOT EXISTS crawler.cursor_seal (
  only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
  secret BYTEA NOT NULL DEFAULT sha256((gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);
INSERT INTO crawler.cursor_seal DEFAULT VALUES ON CONFLICT DO NOTHING;

-- To take this back (docs/database.md, Rolling back). The keys are gone with it.
-- ROLLBACK BEGIN
-- DROP TABLE IF EXISTS crawler.cursor_seal;
-- DROP FUNCTION IF EXISTS crawler.create_api_key(text, text, bytea, text[], text[], timestamptz, text);
-- DROP TABLE IF EXISTS crawler.api_key;
-- DELETE FROM crawler.schema_migration WHERE name = '007_access';
-- ROLLBACK END
