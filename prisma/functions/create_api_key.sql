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
