-- Takes the stream for a new session. Outcomes: STARTED (also where the key started one that still runs),
-- USER_NOT_FOUND, SESSION_EXISTS (session; NULL: out of reach, or pruned), STREAM_BUSY (session: the owner).
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
  checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
  RETURN NEXT;
END
$$;
