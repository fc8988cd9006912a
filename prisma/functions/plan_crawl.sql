-- What the next crawl of a list has to do, by its rows as they are now. It follows from the state alone, never from how
-- the last session ended: a session can fail after its crawl completed, or complete one that it did not begin.
--   wanted           AUTO, or CATCH_UP: what is above the head of an unfinished crawl. CATCH_UP_IMPOSSIBLE where there
--                    is no head of two to stop at, or the list comes oldest first
--   except_session   the session that asks: it is not the previous one
-- until_list_id is NULL where the crawl goes to the end. An anchor is met by its neighbours, so one alone is none.
CREATE OR REPLACE FUNCTION crawler.plan_crawl(
  of_user text, of_stream text, wanted text, except_session text,
  OUT mode text, OUT after_item_id text, OUT page_token text, OUT until_list_id bigint, OUT reason text,
  OUT previous jsonb, OUT pause jsonb
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  last crawler.crawl_session;
  paused crawler.crawl_pause;
  is_ascending boolean;
  ended text;
  place text;
  ending text;
BEGIN
  SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream;
  SELECT * INTO last FROM crawler.crawl_session s
  WHERE s.user_id = of_user AND s.stream = of_stream AND s.session_id IS DISTINCT FROM except_session
  ORDER BY s.started_at DESC, s.session_id DESC LIMIT 1;
  SELECT * INTO paused FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream AND p.until > crawler.clock();
  is_ascending := EXISTS (SELECT FROM crawler.stream_setting t WHERE t.stream = of_stream AND t.ordering = 'ascending');
  ended := crawler.tell_end(last.status, last.started_at, last.completed_at, last.bookmarks_processed, last.error_message);
  previous := CASE WHEN last.session_id IS NOT NULL THEN to_jsonb(last) END;
  pause := CASE WHEN paused.user_id IS NOT NULL THEN to_jsonb(paused) END;

  IF wanted = 'CATCH_UP' AND stored.user_id IS NOT NULL AND NOT coalesce(state.complete, false) THEN
    IF is_ascending OR crawler.list_length(of_user, state.head_list_id) < 2 THEN
      mode := 'CATCH_UP_IMPOSSIBLE';
      reason := CASE WHEN is_ascending THEN 'the stream is ASCENDING, so what is new comes last'
        ELSE 'the unfinished crawl has no head of two items to stop at' END;
      RETURN;
    END IF;
    mode := 'CATCH_UP';
    after_item_id := state.catch_up_item_id;
    page_token := state.catch_up_page_token;
    until_list_id := state.head_list_id;
    reason := format('a catch-up beside an unfinished crawl at %s bookmarks: %s until an item of that crawl''s head is met',
      stored.bookmarks_count, CASE WHEN state.catch_up_started_at IS NULL THEN 'crawl from the top' ELSE 'carry on with the last catch-up' END);
  ELSIF stored.user_id IS NULL OR (state.full_pass AND NOT state.full_pass_has_item) THEN
    mode := 'FULL';
    page_token := state.page_token;
    reason := CASE
      WHEN stored.user_id IS NOT NULL THEN 'a full pass was asked for and has no item yet: '
      WHEN last.session_id IS NULL THEN 'there is no checkpoint and has been no session: '
      ELSE format('there is no checkpoint: %s and left none; ', ended) END
      || CASE WHEN state.page_token IS NULL THEN 'crawl from the top to the end'
        ELSE 'a page token is kept, so carry on from that page to the end' END;
  ELSE
    until_list_id := CASE WHEN NOT is_ascending AND NOT coalesce(state.full_pass, false)
      AND crawler.list_length(of_user, state.anchor_list_id) >= 2 THEN state.anchor_list_id END;
    ending := CASE
      WHEN until_list_id IS NOT NULL THEN 'until an anchor is met'
      WHEN is_ascending THEN 'to the end, since the stream is ASCENDING'
      WHEN state.full_pass THEN 'to the end, since this is a full pass'
      WHEN state.anchor_list_id IS NOT NULL THEN 'to the end, since fewer than two anchors are known'
      ELSE 'to the end' END;
    IF coalesce(state.complete, false) AND NOT is_ascending THEN
      mode := 'INCREMENTAL';
      reason := format('the last crawl is complete at %s bookmarks: crawl from the top %s', stored.bookmarks_count, ending);
    ELSE
      mode := 'RESUME';
      after_item_id := stored.last_tweet_id;
      page_token := state.page_token;
      place := CASE WHEN state.page_token IS NULL THEN 'no page token was saved: skip from the top to after afterItemId'
        ELSE 'its page token is kept' END;
      reason := format('%s, and the checkpoint stands at %s; %s; carry on %s',
        CASE WHEN last.session_id IS NULL THEN 'the last crawl did not complete'
          WHEN state.complete THEN ended
          -- A completed session left a complete checkpoint, so somebody has written it since.
          WHEN last.status = 'completed' AND last.mode IS DISTINCT FROM 'CATCH_UP' THEN ended || ', but the checkpoint was written since'
          ELSE ended END,
        stored.bookmarks_count, place, ending);
    END IF;
  END IF;
  IF paused.user_id IS NOT NULL THEN
    reason := format('%s. The list is paused until %s UTC%s', reason, to_char(paused.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
      coalesce(' (' || paused.reason || ')', ''));
  END IF;
END
$$;
