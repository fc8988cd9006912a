-- Writes states as they are given. Takes a JSON array of commands {place, user_id, stream, item_id, order_key, count,
-- crawled_at, created_at, completed_at, page_token, head, anchors, complete, full_pass, full_pass_has_item,
-- catch_up_started_at, catch_up_item_id, catch_up_page_token, catch_up_head, paused_until, pause_reason, paused_by};
-- answers one row a command, with the outcome IMPORTED (created), STREAM_BUSY (session: the owner) or USER_NOT_FOUND.
-- Commands of one list are taken in their order, and the lists in one order, so that no two sets wait for each other.
CREATE OR REPLACE FUNCTION crawler.import_checkpoints(commands json, actor text, reach text[])
RETURNS TABLE (command integer, outcome text, created boolean, checkpoint jsonb, session jsonb)
LANGUAGE plpgsql
-- As save_checkpoints.
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  cmd record;
  locked record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  before crawler.crawl_state;
  old crawler.crawl_checkpoint;
  owner crawler.crawl_session;
  is_change boolean;
BEGIN
  FOR cmd IN
    SELECT c.* FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
      count integer, crawled_at timestamptz, created_at timestamptz, completed_at timestamptz, page_token text, head text[],
      anchors text[], complete boolean, full_pass boolean, full_pass_has_item boolean, catch_up_started_at timestamptz,
      catch_up_item_id text, catch_up_page_token text, catch_up_head text[], paused_until timestamptz, pause_reason text,
      paused_by text)
    ORDER BY c.user_id COLLATE "C", c.stream COLLATE "C", c.place
  LOOP
    command := cmd.place;
    created := false;
    checkpoint := NULL;
    session := NULL;
    IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = cmd.user_id AND (reach IS NULL OR u.id = ANY (reach))) THEN
      outcome := 'USER_NOT_FOUND';
      RETURN NEXT;
      CONTINUE;
    END IF;
    SELECT * INTO locked FROM crawler.lock_checkpoint(cmd.user_id, cmd.stream);
    old := locked.stored;
    state := locked.state;
    IF state.user_id IS NULL THEN
      state := crawler.lock_state(cmd.user_id, cmd.stream);
    END IF;
    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
      IF FOUND AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
        outcome := 'STREAM_BUSY';
        session := to_jsonb(owner);
        RETURN NEXT;
        CONTINUE;
      END IF;
    END IF;

    outcome := 'IMPORTED';
    before := state;
    PERFORM set_config('waymark.recorded', 'yes', true);
    IF old.user_id IS NULL THEN
      INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at, created_at)
      VALUES (cmd.user_id, cmd.stream, cmd.item_id, cmd.count, cmd.crawled_at, coalesce(cmd.created_at, crawler.clock()))
      RETURNING k.* INTO stored;
      created := true;
    ELSE
      UPDATE crawler.crawl_checkpoint k
      SET last_tweet_id = cmd.item_id, bookmarks_count = cmd.count, last_crawled_at = cmd.crawled_at,
          created_at = coalesce(cmd.created_at, k.created_at)
      WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream AND
        (k.last_tweet_id, k.bookmarks_count, k.last_crawled_at, k.created_at)
          IS DISTINCT FROM (cmd.item_id, cmd.count, cmd.crawled_at, coalesce(cmd.created_at, k.created_at))
      RETURNING k.* INTO stored;
      IF NOT FOUND THEN
        stored := old;
      END IF;
    END IF;
    PERFORM set_config('waymark.recorded', '', true);

    state.page_token := cmd.page_token;
    state.head_list_id := crawler.keep_list(cmd.user_id, before.head_list_id, cmd.head);
    state.anchor_list_id := crawler.keep_list(cmd.user_id, before.anchor_list_id, cmd.anchors);
    state.complete := cmd.complete;
    state.order_key := cmd.order_key;
    state.full_pass := cmd.full_pass;
    state.full_pass_has_item := cmd.full_pass_has_item;
    state.last_completed_at := cmd.completed_at;
    state.catch_up_started_at := cmd.catch_up_started_at;
    state.catch_up_item_id := cmd.catch_up_item_id;
    state.catch_up_page_token := cmd.catch_up_page_token;
    state.catch_up_head_list_id := crawler.keep_list(cmd.user_id, before.catch_up_head_list_id, cmd.catch_up_head);
    is_change := created OR (old.last_tweet_id, old.bookmarks_count) IS DISTINCT FROM (stored.last_tweet_id, stored.bookmarks_count)
      OR (before.page_token, before.head_list_id, before.anchor_list_id, before.complete, before.full_pass,
          before.full_pass_has_item, before.catch_up_started_at, before.catch_up_item_id, before.catch_up_page_token,
          before.catch_up_head_list_id)
        IS DISTINCT FROM (state.page_token, state.head_list_id, state.anchor_list_id, state.complete, state.full_pass,
          state.full_pass_has_item, state.catch_up_started_at, state.catch_up_item_id, state.catch_up_page_token,
          state.catch_up_head_list_id);
    UPDATE crawler.crawl_state s
    SET version = s.version + is_change::integer, written_epoch = CASE WHEN is_change THEN 0 ELSE s.written_epoch END,
        page_token = state.page_token, head_list_id = state.head_list_id, anchor_list_id = state.anchor_list_id,
        complete = state.complete, order_key = state.order_key, full_pass = state.full_pass,
        full_pass_has_item = state.full_pass_has_item, last_completed_at = state.last_completed_at,
        catch_up_started_at = state.catch_up_started_at, catch_up_item_id = state.catch_up_item_id,
        catch_up_page_token = state.catch_up_page_token, catch_up_head_list_id = state.catch_up_head_list_id,
        -- Whoever told the heads is elsewhere, or before what is restored here.
        opened_by_session_id = NULL, catch_up_opened_by = NULL
    WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream RETURNING s.* INTO state;
    IF is_change THEN
      PERFORM crawler.append_revision(cmd.user_id, cmd.stream, 'IMPORT', 'CHECKPOINT_SAVED', actor, NULL, stored.last_tweet_id,
        stored.bookmarks_count, coalesce(old.bookmarks_count, 0), stored.last_crawled_at);
      -- What was saved under a key is overwritten.
      PERFORM crawler.forget_keys(cmd.user_id, cmd.stream, 0);
    END IF;
    IF crawler.set_pause(cmd.user_id, cmd.stream, cmd.paused_until, cmd.pause_reason, cmd.paused_by) OR (NOT is_change
      AND (old.last_crawled_at, old.created_at, before.last_completed_at)
        IS DISTINCT FROM (stored.last_crawled_at, stored.created_at, state.last_completed_at)) THEN
      IF NOT is_change THEN
        PERFORM crawler.tell_times(cmd.user_id, cmd.stream, NULL, stored.last_tweet_id, stored.bookmarks_count);
      END IF;
    END IF;
    checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
    RETURN NEXT;
  END LOOP;
END
$$;
