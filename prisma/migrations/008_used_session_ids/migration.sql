-- IDs of sessions are not used twice, also once the sessions are pruned; and shorter outages are outages to the reaper.

-- A zombie that wakes up after its session was pruned must not find a new session under its ID. Those that clients brought themselves,
-- other than as UUIDv7, are theirs to keep apart. About 70 bytes for each deleted session.
CREATE TABLE IF NOT EXISTS crawler.used_session_id (id UUID PRIMARY KEY);

-- Whether an ID has the form of those that the server makes: UUIDv7, lower case (RFC 9562, 5.7).
CREATE OR REPLACE FUNCTION crawler.is_made_id(session_id text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN session_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';

-- With its owner's rights: whoever may delete a session need not have any in this table.
CREATE OR REPLACE FUNCTION crawler.keep_used_session_ids() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO crawler.used_session_id (id)
  SELECT d.session_id::uuid FROM deleted d WHERE crawler.is_made_id(d.session_id) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER crawl_session_used_ids AFTER DELETE ON crawler.crawl_session
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION crawler.keep_used_session_ids();

-- As in 005, but for the look at the used IDs.
CREATE OR REPLACE FUNCTION crawler.start_session(
  for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text,
  lease integer, by_worker text, takeover boolean, key text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, checkpoint jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
  state crawler.crawl_state;
  stored crawler.crawl_checkpoint;
  other crawler.crawl_session;
  owner crawler.crawl_session;
  started crawler.crawl_session;
  now timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = for_user AND (reach IS NULL OR u.id = ANY (reach))) THEN
    outcome := 'USER_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  state := crawler.lock_state(for_user, for_stream);
  now := crawler.clock();

  IF key IS NOT NULL THEN
    SELECT * INTO started FROM crawler.crawl_session s
    WHERE s.user_id = for_user AND s.stream = for_stream AND s.start_key = key AND s.status = 'running' AND s.session_id = state.owner_session_id;
  END IF;
  IF started.session_id IS NULL THEN
    SELECT * INTO other FROM crawler.crawl_session s WHERE s.session_id = new_id;
    IF FOUND THEN
      outcome := 'SESSION_EXISTS';
      -- Of a user that doesn't exist for the caller nothing is told but that the ID is taken.
      session := CASE WHEN reach IS NULL OR other.user_id = ANY (reach) THEN to_jsonb(other) END;
      RETURN NEXT;
      RETURN;
    END IF;
    -- After the look at the sessions: one that was deleted meanwhile is found here.
    IF crawler.is_made_id(new_id) THEN
      IF EXISTS (SELECT FROM crawler.used_session_id u WHERE u.id = new_id::uuid) THEN
        outcome := 'SESSION_EXISTS';
        RETURN NEXT;
        RETURN;
      END IF;
    END IF;

    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
      now := crawler.clock();
      IF owner.status = 'running' THEN
        IF NOT owner.lease_expires_at > now THEN
          PERFORM crawler.expire_session(owner.session_id, now);
        ELSIF takeover THEN
          UPDATE crawler.crawl_session s
          SET status = 'failed', error_message = 'taken over by session ' || new_id, completed_at = now, end_reason = 'TAKEN_OVER',
              lease_expires_at = NULL, rate_limited_until = NULL
          WHERE s.session_id = owner.session_id;
        ELSE
          outcome := 'STREAM_BUSY';
          session := to_jsonb(owner);
          RETURN NEXT;
          RETURN;
        END IF;
      END IF;
    END IF;

    UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = new_id
    WHERE s.user_id = for_user AND s.stream = for_stream RETURNING s.* INTO state;
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
    INSERT INTO crawler.crawl_session AS s (session_id, user_id, stream, started_at, status, direct_import, enable_summarization,
      output_file_path, epoch, lease_seconds, lease_expires_at, heartbeat_at, worker, attempt, resumed_from, start_key, position_moved_at)
    SELECT new_id, for_user, for_stream, now, 'running', direct, summarize, output_path, state.epoch, lease,
      now + lease * interval '1 second', now, by_worker, CASE WHEN resumes THEN owner.attempt + 1 ELSE 1 END,
      CASE WHEN resumes THEN owner.session_id END, key, now
    -- Only an incomplete checkpoint leaves something to carry on, and a session that completed left nothing.
    FROM (SELECT stored.user_id IS NOT NULL AND NOT state.complete AND owner.session_id IS NOT NULL AND owner.status <> 'completed' AS resumes) AS r
    RETURNING s.* INTO started;
  ELSE
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
  END IF;
  outcome := 'STARTED';
  session := to_jsonb(started);
  checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(stored, state) END;
  RETURN NEXT;
END
$$;

-- As in 005, but for the length of a gap that counts as an outage.
CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  last_tick timestamptz;
  now timestamptz;
  reaped integer := 0;
  expired record;
BEGIN
  SELECT r.ticked_at INTO last_tick FROM crawler.reaper r FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  now := crawler.clock();
  UPDATE crawler.reaper SET ticked_at = now;
  IF now - last_tick > interval '2.5 seconds' THEN
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may know nothing.
    -- Nobody could renew while nobody served: whoever was alive then is given a whole lease from now.
    UPDATE crawler.crawl_session s SET lease_expires_at = greatest(s.lease_expires_at, now + s.lease_seconds * interval '1 second')
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at > last_tick;
  END IF;
  FOR expired IN
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at <= now
    ORDER BY s.session_id FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM crawler.expire_session(expired.session_id, now);
    reaped := reaped + 1;
  END LOOP;
  RETURN reaped;
END
$$;

-- To take this back (docs/database.md, Rolling back). The functions are those of 005.
-- ROLLBACK BEGIN
-- CREATE OR REPLACE FUNCTION crawler.reap() RETURNS integer
-- LANGUAGE plpgsql
-- AS $$
-- DECLARE
--   last_tick timestamptz;
--   now timestamptz;
--   reaped integer := 0;
--   expired record;
-- BEGIN
--   SELECT r.ticked_at INTO last_tick FROM crawler.reaper r FOR UPDATE SKIP LOCKED;
--   IF NOT FOUND THEN
--     RETURN 0;
--   END IF;
--   now := crawler.clock();
--   UPDATE crawler.reaper SET ticked_at = now;
--   IF now - last_tick > interval '5 seconds' THEN
--     -- Nobody could renew while nobody served: whoever was alive then is given a whole lease from now.
--     UPDATE crawler.crawl_session s SET lease_expires_at = greatest(s.lease_expires_at, now + s.lease_seconds * interval '1 second')
--     WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at > last_tick;
--   END IF;
--   FOR expired IN
--     SELECT s.session_id FROM crawler.crawl_session s
--     WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at <= now
--     ORDER BY s.session_id FOR UPDATE SKIP LOCKED
--   LOOP
--     PERFORM crawler.expire_session(expired.session_id, now);
--     reaped := reaped + 1;
--   END LOOP;
--   RETURN reaped;
-- END
-- $$;
-- CREATE OR REPLACE FUNCTION crawler.start_session(
--   for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text,
--   lease integer, by_worker text, takeover boolean, key text, reach text[]
-- ) RETURNS TABLE (outcome text, session jsonb, checkpoint jsonb)
-- LANGUAGE plpgsql
-- AS $$
-- DECLARE
--   state crawler.crawl_state;
--   stored crawler.crawl_checkpoint;
--   other crawler.crawl_session;
--   owner crawler.crawl_session;
--   started crawler.crawl_session;
--   now timestamptz;
-- BEGIN
--   IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = for_user AND (reach IS NULL OR u.id = ANY (reach))) THEN
--     outcome := 'USER_NOT_FOUND';
--     RETURN NEXT;
--     RETURN;
--   END IF;
--   state := crawler.lock_state(for_user, for_stream);
--   now := crawler.clock();
--
--   IF key IS NOT NULL THEN
--     SELECT * INTO started FROM crawler.crawl_session s
--     WHERE s.user_id = for_user AND s.stream = for_stream AND s.start_key = key AND s.status = 'running' AND s.session_id = state.owner_session_id;
--   END IF;
--   IF started.session_id IS NULL THEN
--     SELECT * INTO other FROM crawler.crawl_session s WHERE s.session_id = new_id;
--     IF FOUND THEN
--       outcome := 'SESSION_EXISTS';
--       -- Of a user that doesn't exist for the caller nothing is told but that the ID is taken.
--       session := CASE WHEN reach IS NULL OR other.user_id = ANY (reach) THEN to_jsonb(other) END;
--       RETURN NEXT;
--       RETURN;
--     END IF;
--
--     IF state.owner_session_id IS NOT NULL THEN
--       SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
--       now := crawler.clock();
--       IF owner.status = 'running' THEN
--         IF NOT owner.lease_expires_at > now THEN
--           PERFORM crawler.expire_session(owner.session_id, now);
--         ELSIF takeover THEN
--           UPDATE crawler.crawl_session s
--           SET status = 'failed', error_message = 'taken over by session ' || new_id, completed_at = now, end_reason = 'TAKEN_OVER',
--               lease_expires_at = NULL, rate_limited_until = NULL
--           WHERE s.session_id = owner.session_id;
--         ELSE
--           outcome := 'STREAM_BUSY';
--           session := to_jsonb(owner);
--           RETURN NEXT;
--           RETURN;
--         END IF;
--       END IF;
--     END IF;
--
--     UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = new_id
--     WHERE s.user_id = for_user AND s.stream = for_stream RETURNING s.* INTO state;
--     SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
--     INSERT INTO crawler.crawl_session AS s (session_id, user_id, stream, started_at, status, direct_import, enable_summarization,
--       output_file_path, epoch, lease_seconds, lease_expires_at, heartbeat_at, worker, attempt, resumed_from, start_key, position_moved_at)
--     SELECT new_id, for_user, for_stream, now, 'running', direct, summarize, output_path, state.epoch, lease,
--       now + lease * interval '1 second', now, by_worker, CASE WHEN resumes THEN owner.attempt + 1 ELSE 1 END,
--       CASE WHEN resumes THEN owner.session_id END, key, now
--     -- Only an incomplete checkpoint leaves something to carry on, and a session that completed left nothing.
--     FROM (SELECT stored.user_id IS NOT NULL AND NOT state.complete AND owner.session_id IS NOT NULL AND owner.status <> 'completed' AS resumes) AS r
--     RETURNING s.* INTO started;
--   ELSE
--     SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
--   END IF;
--   outcome := 'STARTED';
--   session := to_jsonb(started);
--   checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(stored, state) END;
--   RETURN NEXT;
-- END
-- $$;
-- DROP TRIGGER IF EXISTS crawl_session_used_ids ON crawler.crawl_session;
-- DROP FUNCTION IF EXISTS crawler.keep_used_session_ids();
-- DROP FUNCTION IF EXISTS crawler.is_made_id(text);
-- DROP TABLE IF EXISTS crawler.used_session_id;
-- DELETE FROM crawler.schema_migration WHERE name = '008_used_session_ids';
-- ROLLBACK END
