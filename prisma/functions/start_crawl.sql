-- Takes the stream for a new session, and plans its crawl. Outcomes: STARTED (also where the key started one that still
-- runs), USER_NOT_FOUND, SESSION_EXISTS (session; NULL: out of reach, or pruned), STREAM_BUSY (session: the owner),
-- STREAM_PAUSED (plan: its pause), CATCH_UP_IMPOSSIBLE (plan: its reason). `wanted` is AUTO, FULL or CATCH_UP.
CREATE OR REPLACE FUNCTION crawler.start_crawl(
  for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text,
  lease integer, by_worker text, takeover boolean, key text, wanted text, ignore_pause boolean, actor text, reach text[]
) RETURNS TABLE (outcome text, session jsonb, checkpoint jsonb, plan jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
  planned record;
  before crawler.crawl_session;
  state crawler.crawl_state;
  stored crawler.crawl_checkpoint;
  other crawler.crawl_session;
  owner crawler.crawl_session;
  started crawler.crawl_session;
  now timestamptz;
  lease_now timestamptz;
  -- The last version before this session.
  version_before integer;
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
      lease_now := crawler.lease_clock();
      IF owner.status = 'running' AND crawler.lease_end(owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) > lease_now AND NOT takeover THEN
        outcome := 'STREAM_BUSY';
        session := to_jsonb(owner);
        RETURN NEXT;
        RETURN;
      END IF;
    END IF;
    SELECT * INTO planned FROM crawler.plan_crawl(for_user, for_stream, wanted, new_id);
    outcome := CASE WHEN planned.pause IS NOT NULL AND NOT ignore_pause THEN 'STREAM_PAUSED'
      WHEN planned.mode = 'CATCH_UP_IMPOSSIBLE' THEN planned.mode END;
    IF outcome IS NOT NULL THEN
      plan := to_jsonb(planned);
      RETURN NEXT;
      RETURN;
    END IF;
    -- Only now: whoever is refused ends nobody.
    IF owner.status = 'running' THEN
      IF crawler.lease_end(owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) > lease_now THEN
        UPDATE crawler.crawl_session s
        SET status = 'failed', error_message = 'taken over by session ' || new_id, completed_at = now, end_reason = 'TAKEN_OVER',
            lease_expires_at = NULL, rate_limited_until = NULL
        WHERE s.session_id = owner.session_id;
      ELSE
        PERFORM crawler.expire_session(owner.session_id, now);
      END IF;
    END IF;

    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
    version_before := state.version;
    lease_now := now + crawler.renewal_offset();
    UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = new_id, last_started_at = now
    WHERE s.user_id = for_user AND s.stream = for_stream RETURNING s.* INTO state;
    IF wanted = 'FULL' THEN
      PERFORM crawler.begin_full_pass(for_user, for_stream, stored.last_tweet_id, stored.bookmarks_count, stored.last_crawled_at, actor, new_id);
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = for_user AND s.stream = for_stream;
    END IF;
    -- Again, since it tells how the owner ended, and what a full pass begins with.
    SELECT * INTO planned FROM crawler.plan_crawl(for_user, for_stream, wanted, new_id);
    -- A catch-up runs between two sessions of a long crawl: each carries on its own.
    before := owner;
    IF owner.session_id IS NOT NULL AND (coalesce(owner.mode, '') = 'CATCH_UP') <> (planned.mode = 'CATCH_UP') THEN
      SELECT * INTO before FROM crawler.crawl_session s
      WHERE s.user_id = for_user AND s.stream = for_stream AND s.session_id <> new_id
        AND (coalesce(s.mode, '') = 'CATCH_UP') = (planned.mode = 'CATCH_UP')
      ORDER BY s.started_at DESC, s.session_id DESC LIMIT 1;
    END IF;
    INSERT INTO crawler.crawl_session AS s (session_id, user_id, stream, started_at, status, direct_import, enable_summarization,
      output_file_path, epoch, lease_seconds, lease_expires_at, heartbeat_at, worker, attempt, resumed_from, start_key, position_moved_at,
      mode, plan_reason, stall_look_at, start_version)
    SELECT new_id, for_user, for_stream, now, 'running', direct, summarize, output_path, state.epoch, lease,
      lease_now + lease * interval '1 second', now, by_worker, CASE WHEN resumes THEN before.attempt + 1 ELSE 1 END,
      CASE WHEN resumes THEN before.session_id END, key, lease_now, planned.mode, planned.reason, lease_now + 5 * lease * interval '1 second', version_before
    -- Only an incomplete checkpoint leaves something to carry on, a session that completed left nothing, and a full
    -- pass that begins carries on nothing.
    FROM (SELECT stored.user_id IS NOT NULL AND NOT state.complete AND wanted <> 'FULL'
      AND (planned.mode <> 'CATCH_UP' OR state.catch_up_started_at IS NOT NULL)
      AND before.session_id IS NOT NULL AND before.status <> 'completed' AS resumes) AS r
    RETURNING s.* INTO started;
  ELSE
    SELECT * INTO planned FROM crawler.plan_crawl(for_user, for_stream,
      CASE WHEN started.mode = 'CATCH_UP' THEN 'CATCH_UP' ELSE 'AUTO' END, started.session_id);
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = for_user AND k.stream = for_stream;
  END IF;
  outcome := 'STARTED';
  session := to_jsonb(started);
  plan := to_jsonb(planned);
  checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
  RETURN NEXT;
END
$$;
