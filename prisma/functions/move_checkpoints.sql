-- Moves the checkpoint of a list (of_stream NULL: of all lists) from one user to another, with its whole state; all or
-- none. Outcomes: MOVED, one row a list (checkpoint: as it is now; in a dry run, as it would be); or one row that says
-- why none was moved: USER_NOT_FOUND (detail: who), CHECKPOINT_NOT_FOUND, CHECKPOINT_EXISTS (checkpoint: the new
-- user's), STREAM_BUSY (session: the owner).
CREATE OR REPLACE FUNCTION crawler.move_checkpoints(
  from_user text, to_user text, of_stream text, dry_run boolean, actor text, reach text[]
) RETURNS TABLE (outcome text, checkpoint jsonb, session jsonb, detail text)
LANGUAGE plpgsql
AS $$
DECLARE
  streams text[];
  key record;
  this text;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  other crawler.crawl_state;
  owner crawler.crawl_session;
BEGIN
  FOREACH this IN ARRAY ARRAY[from_user, to_user] LOOP
    IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = this AND (reach IS NULL OR u.id = ANY (reach))) THEN
      outcome := 'USER_NOT_FOUND';
      detail := this;
      RETURN NEXT;
      RETURN;
    END IF;
  END LOOP;
  streams := ARRAY(SELECT k.stream FROM crawler.crawl_checkpoint k
    WHERE k.user_id = from_user AND (of_stream IS NULL OR k.stream = of_stream) ORDER BY k.stream COLLATE "C");
  -- Key by key in one order, so that no two moves wait for each other. A list that is made from now on is found below.
  FOR key IN SELECT u.id, s.name FROM unnest(ARRAY[from_user, to_user]) AS u (id), unnest(streams) AS s (name)
    ORDER BY u.id COLLATE "C", s.name COLLATE "C" LOOP
    PERFORM crawler.lock_checkpoint(key.id, key.name);
  END LOOP;
  -- Without those that were cleared meanwhile.
  streams := ARRAY(SELECT k.stream FROM crawler.crawl_checkpoint k
    WHERE k.user_id = from_user AND k.stream = ANY (streams) ORDER BY k.stream COLLATE "C");
  IF streams = '{}' THEN
    outcome := 'CHECKPOINT_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT * INTO stored FROM crawler.crawl_checkpoint k
  WHERE k.user_id = to_user AND k.stream = ANY (streams) ORDER BY k.stream COLLATE "C" LIMIT 1;
  IF FOUND THEN
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = to_user AND s.stream = stored.stream;
    outcome := 'CHECKPOINT_EXISTS';
    checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
    RETURN NEXT;
    RETURN;
  END IF;
  FOR key IN SELECT s.owner_session_id FROM crawler.crawl_state s
    WHERE s.user_id IN (from_user, to_user) AND s.stream = ANY (streams) AND s.owner_session_id IS NOT NULL
    ORDER BY s.stream COLLATE "C", s.user_id COLLATE "C" LOOP
    SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = key.owner_session_id FOR UPDATE;
    IF FOUND AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
      outcome := 'STREAM_BUSY';
      session := to_jsonb(owner);
      RETURN NEXT;
      RETURN;
    END IF;
  END LOOP;

  outcome := 'MOVED';
  FOREACH this IN ARRAY streams LOOP
    IF dry_run THEN
      SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = from_user AND k.stream = this;
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = from_user AND s.stream = this;
      SELECT * INTO other FROM crawler.crawl_state s WHERE s.user_id = to_user AND s.stream = this;
      stored.user_id := to_user;
      stored.updated_at := crawler.clock();
      state.user_id := to_user;
      state.version := greatest(state.version, other.version) + 1;
      state.epoch := coalesce(other.epoch, 0) + 1;
      state.written_epoch := 0;
      state.owner_session_id := NULL;
    ELSE
      PERFORM crawler.lock_state(from_user, this);
      other := crawler.lock_state(to_user, this);
      PERFORM set_config('waymark.recorded', 'yes', true);
      UPDATE crawler.crawl_checkpoint k SET user_id = to_user
      WHERE k.user_id = from_user AND k.stream = this RETURNING k.* INTO stored;
      PERFORM set_config('waymark.recorded', '', true);
      PERFORM crawler.carry_state(from_user, to_user, this);
      PERFORM crawler.record_move(from_user, to_user, this, 'MOVE', actor, stored.last_tweet_id, stored.bookmarks_count,
        stored.bookmarks_count, stored.last_crawled_at, other.version);
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = to_user AND s.stream = this;
    END IF;
    checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
    RETURN NEXT;
  END LOOP;
END
$$;
