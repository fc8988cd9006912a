-- Who still refers to a list, for those that prune it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_catch_up_head ON crawler.crawl_state (catch_up_head_list_id)
  WHERE catch_up_head_list_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoint_revision_catch_up_head ON crawler.checkpoint_revision (catch_up_head_list_id)
  WHERE catch_up_head_list_id IS NOT NULL;
-- A checkpoint that was there before Waymark has no state until it is saved. Lists by what the state holds need one.
INSERT INTO crawler.crawl_state (user_id, stream)
  SELECT c.user_id, c.stream FROM crawler.crawl_checkpoint c
  WHERE NOT EXISTS (SELECT FROM crawler.crawl_state s WHERE s.user_id = c.user_id AND s.stream = c.stream)
  ON CONFLICT DO NOTHING;
-- Lists of checkpoints by when they were last completed, by stream and platform too, and by whether they are complete.
-- Saves write none of these, but the first one after a completion; starts and completions do.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_completed
  ON crawler.crawl_state (coalesce(last_completed_at, '-infinity'::timestamptz), user_id, stream);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_stream_completed
  ON crawler.crawl_state (stream, coalesce(last_completed_at, '-infinity'::timestamptz), user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_platform_completed
  ON crawler.crawl_state (split_part(stream, '/', 1), coalesce(last_completed_at, '-infinity'::timestamptz), user_id, stream);
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_other_platform_completed
  ON crawler.crawl_state (coalesce(last_completed_at, '-infinity'::timestamptz), user_id, stream)
  WHERE split_part(stream, '/', 1) NOT IN ('twitter', 'reddit', 'linkedin', 'mastodon', 'bluesky', 'youtube');
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_complete
  ON crawler.crawl_state (complete, coalesce(last_completed_at, '-infinity'::timestamptz), user_id, stream);
-- dueLists: what was started, longest ago first; and apart what has not completed since its last start.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_stream_started
  ON crawler.crawl_state (stream, last_started_at, user_id) WHERE last_started_at IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_stream_unfinished
  ON crawler.crawl_state (stream, last_started_at, user_id)
  WHERE coalesce(last_completed_at, '-infinity'::timestamptz) < last_started_at;
-- dueLists: who was never started, by a merge with the users.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_state_stream_user_started
  ON crawler.crawl_state (stream, user_id) WHERE last_started_at IS NOT NULL;
-- What is paused now.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_pause_until ON crawler.crawl_pause (until);
-- The filters of sessions by what ended them and by who crawls, in each order. Saves and heartbeats write none of them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_end_reason_started
  ON crawler.crawl_session (end_reason, started_at, session_id) WHERE end_reason IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_end_reason_completed
  ON crawler.crawl_session (end_reason, coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id)
  WHERE end_reason IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_worker_started
  ON crawler.crawl_session (worker, started_at, session_id) WHERE worker IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_worker_completed
  ON crawler.crawl_session (worker, coalesce(completed_at, '-infinity'::timestamptz), started_at, session_id)
  WHERE worker IS NOT NULL;
-- Which session came next on a list: up to its start_version go the revisions of the one before.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_user_stream_epoch
  ON crawler.crawl_session (user_id, stream, epoch) WHERE epoch > 0;
-- What reapers look at each second: which sessions may have stalled, and which were told. No save changes what is in
-- them, but one that finds a loop.
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_stall_look
  ON crawler.crawl_session (coalesce(stall_look_at, '-infinity'::timestamptz)) WHERE status = 'running' AND epoch > 0 AND stall_told IS NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS crawl_session_stall_told
  ON crawler.crawl_session (session_id) WHERE status = 'running' AND epoch > 0 AND stall_told IS NOT NULL;
-- Which histories skip versions, for those that prune them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoint_revision_follows ON crawler.checkpoint_revision (user_id, stream)
  WHERE follows_version IS NOT NULL;
