-- An empty database once it is migrated, as PostgreSQL 15 to 18 describe it. Printed by "npm run schema:sql"; don't edit.
-- Not in it: public."user", which is somebody else's, and the partitions of feed_event and idempotency_key, which come and go.

CREATE TABLE crawler.api_key (
  key_id character varying(32) NOT NULL,
  client character varying(200) NOT NULL,
  hash bytea NOT NULL,
  scopes text[] NOT NULL,
  user_ids text[],
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  created_by character varying(255) NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone
);

ALTER TABLE crawler.api_key ADD CONSTRAINT api_key_hash_is_sha256 CHECK ((octet_length(hash) = 32));

ALTER TABLE crawler.api_key ADD CONSTRAINT api_key_pkey PRIMARY KEY (key_id);

CREATE INDEX api_key_client ON crawler.api_key USING btree (client);

CREATE TABLE crawler.checkpoint_revision (
  user_id character varying(255) NOT NULL,
  stream character varying(255) NOT NULL,
  version integer NOT NULL,
  source character varying(50) NOT NULL,
  actor character varying(255),
  last_item_id character varying(255),
  bookmarks_count integer NOT NULL,
  bookmarks_added integer NOT NULL,
  page_token text,
  head_list_id bigint,
  anchor_list_id bigint,
  complete boolean NOT NULL,
  order_key text COLLATE "C",
  session_id character varying(255),
  epoch integer NOT NULL,
  last_crawled_at timestamp with time zone,
  recorded_at timestamp with time zone NOT NULL,
  full_pass boolean NOT NULL DEFAULT false,
  full_pass_has_item boolean NOT NULL DEFAULT false,
  catch_up_started_at timestamp with time zone,
  catch_up_item_id character varying(255),
  catch_up_page_token text,
  catch_up_head_list_id bigint,
  follows_version integer
);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_anchor_list_fkey FOREIGN KEY (user_id, anchor_list_id) REFERENCES crawler.item_list(user_id, list_id);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_catch_up_head_list_fkey FOREIGN KEY (user_id, catch_up_head_list_id) REFERENCES crawler.item_list(user_id, list_id);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_head_list_fkey FOREIGN KEY (user_id, head_list_id) REFERENCES crawler.item_list(user_id, list_id);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_pkey PRIMARY KEY (user_id, stream, version);

CREATE INDEX checkpoint_revision_anchor ON crawler.checkpoint_revision USING btree (anchor_list_id) WHERE (anchor_list_id IS NOT NULL);

CREATE INDEX checkpoint_revision_catch_up_head ON crawler.checkpoint_revision USING btree (catch_up_head_list_id) WHERE (catch_up_head_list_id IS NOT NULL);

CREATE INDEX checkpoint_revision_follows ON crawler.checkpoint_revision USING btree (user_id, stream) WHERE (follows_version IS NOT NULL);

CREATE INDEX checkpoint_revision_head ON crawler.checkpoint_revision USING btree (head_list_id) WHERE (head_list_id IS NOT NULL);

CREATE INDEX checkpoint_revision_recorded ON crawler.checkpoint_revision USING btree (recorded_at);

CREATE INDEX checkpoint_revision_stream_recorded ON crawler.checkpoint_revision USING btree (stream, recorded_at);

CREATE INDEX checkpoint_revision_user_recorded ON crawler.checkpoint_revision USING btree (user_id, recorded_at);

CREATE TABLE crawler.crawl_checkpoint (
  user_id character varying(255) NOT NULL,
  last_tweet_id character varying(255) NOT NULL,
  last_crawled_at timestamp with time zone NOT NULL DEFAULT now(),
  bookmarks_count integer NOT NULL DEFAULT 0,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  stream character varying(255) NOT NULL DEFAULT 'twitter/bookmarks'::character varying
) PARTITION BY LIST (stream);

ALTER TABLE crawler.crawl_checkpoint ADD CONSTRAINT crawl_checkpoint_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE;

ALTER TABLE crawler.crawl_checkpoint ADD CONSTRAINT crawl_checkpoint_user_id_stream_key UNIQUE (user_id, stream);

CREATE TRIGGER crawl_checkpoint_history AFTER INSERT OR DELETE OR UPDATE ON crawler.crawl_checkpoint FOR EACH ROW EXECUTE FUNCTION crawler.record_foreign_write();

CREATE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.crawl_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();

CREATE TRIGGER zz_set_updated_at BEFORE UPDATE ON crawler.crawl_checkpoint FOR EACH ROW EXECUTE FUNCTION crawler.set_updated_at();

CREATE TABLE crawler.crawl_checkpoint_other PARTITION OF crawler.crawl_checkpoint (
  user_id,
  last_tweet_id,
  last_crawled_at DEFAULT now(),
  bookmarks_count DEFAULT 0,
  created_at DEFAULT now(),
  updated_at DEFAULT now(),
  stream DEFAULT 'twitter/bookmarks'::character varying
) DEFAULT;

CREATE INDEX crawl_checkpoint_other_crawled ON crawler.crawl_checkpoint_other USING btree (last_crawled_at, user_id, stream);

CREATE INDEX crawl_checkpoint_other_other_platform_crawled ON crawler.crawl_checkpoint_other USING btree (last_crawled_at, user_id, stream) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]));

CREATE INDEX crawl_checkpoint_other_platform_crawled ON crawler.crawl_checkpoint_other USING btree (split_part((stream)::text, '/'::text, 1), last_crawled_at, user_id, stream);

CREATE INDEX crawl_checkpoint_other_stream_crawled ON crawler.crawl_checkpoint_other USING btree (stream, last_crawled_at, user_id);

CREATE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.crawl_checkpoint_other FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();

ALTER TABLE crawler.crawl_checkpoint_other SET (autovacuum_vacuum_scale_factor=0.05);

ALTER TABLE crawler.crawl_checkpoint_other REPLICA IDENTITY USING INDEX crawl_checkpoint_other_user_id_stream_key;

CREATE TABLE crawler.crawl_pause (
  user_id character varying(255) NOT NULL,
  stream character varying(255) NOT NULL,
  until timestamp with time zone NOT NULL,
  reason text,
  paused_by character varying(255) NOT NULL
);

ALTER TABLE crawler.crawl_pause ADD CONSTRAINT crawl_pause_pkey PRIMARY KEY (user_id, stream);

ALTER TABLE crawler.crawl_pause ADD CONSTRAINT crawl_pause_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE;

CREATE INDEX crawl_pause_until ON crawler.crawl_pause USING btree (until);

CREATE TABLE crawler.crawl_session (
  session_id character varying(255) NOT NULL,
  user_id character varying(255) NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  completed_at timestamp with time zone,
  status character varying(50) NOT NULL DEFAULT 'running'::character varying,
  bookmarks_processed integer NOT NULL DEFAULT 0,
  direct_import boolean NOT NULL DEFAULT false,
  enable_summarization boolean NOT NULL DEFAULT false,
  output_file_path text,
  error_message text,
  stream character varying(255) NOT NULL DEFAULT 'twitter/bookmarks'::character varying,
  bookmarks_added integer NOT NULL DEFAULT 0,
  epoch integer NOT NULL DEFAULT 0,
  lease_seconds integer,
  lease_expires_at timestamp with time zone,
  heartbeat_at timestamp with time zone,
  stop_requested_at timestamp with time zone,
  rate_limited_until timestamp with time zone,
  worker character varying(255),
  end_reason character varying(50),
  attempt integer NOT NULL DEFAULT 1,
  resumed_from character varying(255),
  start_key character varying(255),
  commits integer NOT NULL DEFAULT 0,
  first_save_at timestamp with time zone,
  last_save_at timestamp with time zone,
  bookmarks_since_first_save integer NOT NULL DEFAULT 0,
  position_moved_at timestamp with time zone,
  api_requests integer NOT NULL DEFAULT 0,
  rate_limit_hits integer NOT NULL DEFAULT 0,
  mode character varying(50),
  plan_reason text,
  stop_reason text,
  loop_token_hash bigint,
  loop_steps integer NOT NULL DEFAULT 0,
  loop_span integer NOT NULL DEFAULT 0,
  loop_hits integer NOT NULL DEFAULT 0,
  empty_saves integer NOT NULL DEFAULT 0,
  stall_look_at timestamp with time zone,
  stall_told character varying(50),
  rate_limit_told boolean NOT NULL DEFAULT false,
  start_version integer
);

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_pkey PRIMARY KEY (session_id);

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_status_is_known CHECK (((status)::text = ANY (ARRAY['running'::text, 'completed'::text, 'stopped'::text, 'failed'::text])));

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE;

CREATE INDEX crawl_session_completed ON crawler.crawl_session USING btree (COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_duration_completed ON crawler.crawl_session USING btree (crawler.duration_step(started_at, completed_at), completed_at, started_at, session_id) WHERE (completed_at IS NOT NULL);

CREATE INDEX crawl_session_duration_started ON crawler.crawl_session USING btree (crawler.duration_step(started_at, completed_at), started_at, session_id) WHERE (completed_at IS NOT NULL);

CREATE INDEX crawl_session_end_reason_completed ON crawler.crawl_session USING btree (end_reason, COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id) WHERE (end_reason IS NOT NULL);

CREATE INDEX crawl_session_end_reason_started ON crawler.crawl_session USING btree (end_reason, started_at, session_id) WHERE (end_reason IS NOT NULL);

CREATE INDEX crawl_session_leased ON crawler.crawl_session USING btree (session_id) WHERE (((status)::text = 'running'::text) AND (epoch > 0));

CREATE INDEX crawl_session_other_platform_started ON crawler.crawl_session USING btree (started_at, session_id) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]));

CREATE INDEX crawl_session_platform_running ON crawler.crawl_session USING btree (split_part((stream)::text, '/'::text, 1), started_at, session_id) WHERE (crawler.known_status((status)::text) = 'running'::text);

CREATE INDEX crawl_session_platform_started ON crawler.crawl_session USING btree (split_part((stream)::text, '/'::text, 1), started_at, session_id);

CREATE INDEX crawl_session_stall_look ON crawler.crawl_session USING btree (COALESCE(stall_look_at, '-infinity'::timestamp with time zone)) WHERE (((status)::text = 'running'::text) AND (epoch > 0) AND (stall_told IS NULL));

CREATE INDEX crawl_session_stall_told ON crawler.crawl_session USING btree (session_id) WHERE (((status)::text = 'running'::text) AND (epoch > 0) AND (stall_told IS NOT NULL));

CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id);

CREATE INDEX crawl_session_status_completed ON crawler.crawl_session USING btree (crawler.known_status((status)::text), COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_status_started ON crawler.crawl_session USING btree (crawler.known_status((status)::text), started_at, session_id);

CREATE INDEX crawl_session_stream_completed ON crawler.crawl_session USING btree (stream, COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_stream_started ON crawler.crawl_session USING btree (stream, started_at, session_id);

CREATE INDEX crawl_session_user_started ON crawler.crawl_session USING btree (user_id, started_at, session_id);

CREATE INDEX crawl_session_user_status_started ON crawler.crawl_session USING btree (user_id, crawler.known_status((status)::text), started_at, session_id);

CREATE INDEX crawl_session_user_stream_epoch ON crawler.crawl_session USING btree (user_id, stream, epoch) WHERE (epoch > 0);

CREATE INDEX crawl_session_user_stream_started ON crawler.crawl_session USING btree (user_id, stream, started_at, session_id);

CREATE INDEX crawl_session_worker_completed ON crawler.crawl_session USING btree (worker, COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id) WHERE (worker IS NOT NULL);

CREATE INDEX crawl_session_worker_started ON crawler.crawl_session USING btree (worker, started_at, session_id) WHERE (worker IS NOT NULL);

CREATE TRIGGER crawl_session_feed AFTER INSERT OR DELETE OR UPDATE ON crawler.crawl_session FOR EACH ROW EXECUTE FUNCTION crawler.record_session_event();

CREATE TRIGGER crawl_session_lease_made AFTER INSERT ON crawler.crawl_session FOR EACH ROW WHEN ((((new.status)::text = 'running'::text) AND (new.epoch > 0) AND (new.lease_expires_at IS NOT NULL))) EXECUTE FUNCTION crawler.watch_lease();

CREATE TRIGGER crawl_session_lease_moved AFTER UPDATE ON crawler.crawl_session FOR EACH ROW WHEN ((((new.status)::text = 'running'::text) AND (new.epoch > 0) AND (new.lease_expires_at IS NOT NULL) AND ((new.lease_expires_at < old.lease_expires_at) OR (old.lease_expires_at IS NULL) OR ((old.status)::text <> 'running'::text) OR (old.epoch <= 0) OR ((new.session_id)::text <> (old.session_id)::text) OR (new.stall_look_at IS DISTINCT FROM old.stall_look_at) OR ((new.stall_told IS NOT NULL) AND ((new.position_moved_at IS DISTINCT FROM old.position_moved_at) OR (new.started_at IS DISTINCT FROM old.started_at) OR (new.loop_hits IS DISTINCT FROM old.loop_hits) OR (new.empty_saves IS DISTINCT FROM old.empty_saves) OR (new.rate_limited_until IS DISTINCT FROM old.rate_limited_until) OR (new.lease_seconds IS DISTINCT FROM old.lease_seconds))) OR (new.lease_seconds < old.lease_seconds)))) EXECUTE FUNCTION crawler.watch_lease();

CREATE TRIGGER crawl_session_no_truncate BEFORE TRUNCATE ON crawler.crawl_session FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();

CREATE TRIGGER crawl_session_used_ids AFTER DELETE ON crawler.crawl_session REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION crawler.keep_used_session_ids();

ALTER TABLE crawler.crawl_session SET (autovacuum_vacuum_scale_factor=0.05);

CREATE TABLE crawler.crawl_state (
  user_id character varying(255) NOT NULL,
  stream character varying(255) NOT NULL,
  epoch integer NOT NULL DEFAULT 0,
  owner_session_id character varying(255),
  version integer NOT NULL DEFAULT 0,
  page_token text,
  head_list_id bigint,
  anchor_list_id bigint,
  complete boolean NOT NULL DEFAULT false,
  opened_by_session_id character varying(255),
  written_epoch integer NOT NULL DEFAULT 0,
  order_key text COLLATE "C",
  full_pass boolean NOT NULL DEFAULT false,
  full_pass_has_item boolean NOT NULL DEFAULT false,
  last_completed_at timestamp with time zone,
  last_started_at timestamp with time zone,
  catch_up_started_at timestamp with time zone,
  catch_up_item_id character varying(255),
  catch_up_page_token text,
  catch_up_head_list_id bigint,
  catch_up_opened_by character varying(255),
  oldest_revision_at timestamp with time zone
);

ALTER TABLE crawler.crawl_state ADD CONSTRAINT crawl_state_pkey PRIMARY KEY (user_id, stream);

CREATE INDEX crawl_state_anchor ON crawler.crawl_state USING btree (anchor_list_id) WHERE (anchor_list_id IS NOT NULL);

CREATE INDEX crawl_state_catch_up_head ON crawler.crawl_state USING btree (catch_up_head_list_id) WHERE (catch_up_head_list_id IS NOT NULL);

CREATE INDEX crawl_state_complete ON crawler.crawl_state USING btree (complete, COALESCE(last_completed_at, '-infinity'::timestamp with time zone), user_id, stream);

CREATE INDEX crawl_state_completed ON crawler.crawl_state USING btree (COALESCE(last_completed_at, '-infinity'::timestamp with time zone), user_id, stream);

CREATE INDEX crawl_state_head ON crawler.crawl_state USING btree (head_list_id) WHERE (head_list_id IS NOT NULL);

CREATE INDEX crawl_state_other_platform_completed ON crawler.crawl_state USING btree (COALESCE(last_completed_at, '-infinity'::timestamp with time zone), user_id, stream) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]));

CREATE INDEX crawl_state_platform_completed ON crawler.crawl_state USING btree (split_part((stream)::text, '/'::text, 1), COALESCE(last_completed_at, '-infinity'::timestamp with time zone), user_id, stream);

CREATE INDEX crawl_state_stream_completed ON crawler.crawl_state USING btree (stream, COALESCE(last_completed_at, '-infinity'::timestamp with time zone), user_id);

CREATE INDEX crawl_state_stream_started ON crawler.crawl_state USING btree (stream, last_started_at, user_id) WHERE (last_started_at IS NOT NULL);

CREATE INDEX crawl_state_stream_unfinished ON crawler.crawl_state USING btree (stream, last_started_at, user_id) WHERE (COALESCE(last_completed_at, '-infinity'::timestamp with time zone) < last_started_at);

CREATE INDEX crawl_state_stream_user_started ON crawler.crawl_state USING btree (stream, user_id) WHERE (last_started_at IS NOT NULL);

ALTER TABLE crawler.crawl_state SET (autovacuum_vacuum_scale_factor=0.05);

ALTER TABLE crawler.crawl_state SET (fillfactor=70);

CREATE TABLE crawler.cursor_seal (
  only_row boolean NOT NULL DEFAULT true,
  secret bytea NOT NULL DEFAULT sha256(((((gen_random_uuid())::text || (gen_random_uuid())::text) || (gen_random_uuid())::text))::bytea)
);

ALTER TABLE crawler.cursor_seal ADD CONSTRAINT cursor_seal_only_row_check CHECK (only_row);

ALTER TABLE crawler.cursor_seal ADD CONSTRAINT cursor_seal_pkey PRIMARY KEY (only_row);

CREATE TABLE crawler.feed (
  only_row boolean NOT NULL DEFAULT true,
  generation uuid NOT NULL DEFAULT gen_random_uuid(),
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  pruned_up_to bigint NOT NULL DEFAULT 0,
  final_up_to bigint NOT NULL DEFAULT 0
);

ALTER TABLE crawler.feed ADD CONSTRAINT feed_only_row_check CHECK (only_row);

ALTER TABLE crawler.feed ADD CONSTRAINT feed_pkey PRIMARY KEY (only_row);

CREATE TABLE crawler.feed_event (
  event_id bigint NOT NULL DEFAULT nextval('crawler.feed_event_id'::regclass),
  occurred_at timestamp with time zone NOT NULL,
  kind character varying(50) NOT NULL,
  user_id character varying(255) NOT NULL,
  stream character varying(255) NOT NULL,
  session_id character varying(255),
  previous_status character varying(50),
  status character varying(50),
  version integer,
  last_item_id character varying(255),
  bookmarks_count integer
) PARTITION BY RANGE (event_id);

ALTER TABLE crawler.feed_event ADD CONSTRAINT feed_event_pkey PRIMARY KEY (event_id);

CREATE TABLE crawler.function_set (
  only_row boolean NOT NULL DEFAULT true,
  number integer NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now()
);

ALTER TABLE crawler.function_set ADD CONSTRAINT function_set_only_row_check CHECK (only_row);

ALTER TABLE crawler.function_set ADD CONSTRAINT function_set_pkey PRIMARY KEY (only_row);

CREATE TABLE crawler.idempotency_key (
  user_id character varying(255) NOT NULL,
  stream character varying(255) NOT NULL,
  key character varying(255) NOT NULL,
  fingerprint text NOT NULL,
  created boolean NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  key_id bigint NOT NULL DEFAULT nextval('crawler.idempotency_key_id'::regclass),
  session_id character varying(255),
  version integer NOT NULL DEFAULT 0
) PARTITION BY RANGE (key_id);

ALTER TABLE crawler.idempotency_key ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (user_id, stream, key, key_id);

CREATE TABLE crawler.item_list (
  user_id character varying(255) NOT NULL,
  list_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  item_ids text[] NOT NULL,
  recorded_at timestamp with time zone NOT NULL DEFAULT now()
);

ALTER TABLE crawler.item_list ADD CONSTRAINT item_list_pkey PRIMARY KEY (user_id, list_id);

CREATE INDEX item_list_list_id ON crawler.item_list USING btree (list_id);

CREATE TABLE crawler.lease_look (
  session_id character varying(255) NOT NULL,
  look_at timestamp with time zone NOT NULL
);

ALTER TABLE crawler.lease_look ADD CONSTRAINT lease_look_pkey PRIMARY KEY (session_id);

CREATE INDEX lease_look_look_at ON crawler.lease_look USING btree (look_at);

ALTER TABLE crawler.lease_look SET (autovacuum_vacuum_cost_delay=0);

ALTER TABLE crawler.lease_look SET (autovacuum_vacuum_scale_factor=0.02);

CREATE TABLE crawler.log_partition (
  name text NOT NULL,
  parent text NOT NULL,
  first_id bigint NOT NULL,
  end_id bigint NOT NULL,
  opened_at timestamp with time zone,
  waits_for text[]
);

ALTER TABLE crawler.log_partition ADD CONSTRAINT log_partition_parent_first_id_key UNIQUE (parent, first_id);

ALTER TABLE crawler.log_partition ADD CONSTRAINT log_partition_pkey PRIMARY KEY (name);

CREATE TABLE crawler.reaper (
  only_row boolean NOT NULL DEFAULT true,
  ticked_at timestamp with time zone NOT NULL DEFAULT now(),
  clock_back interval NOT NULL DEFAULT '00:00:00'::interval,
  alive_after timestamp with time zone,
  alive_again_at timestamp with time zone,
  swept_up_to character varying(255) NOT NULL DEFAULT ''::character varying
);

ALTER TABLE crawler.reaper ADD CONSTRAINT reaper_only_row_check CHECK (only_row);

ALTER TABLE crawler.reaper ADD CONSTRAINT reaper_pkey PRIMARY KEY (only_row);

CREATE TABLE crawler.schema_function (
  name text NOT NULL,
  sha256 text NOT NULL,
  left_out_by integer
);

ALTER TABLE crawler.schema_function ADD CONSTRAINT schema_function_pkey PRIMARY KEY (name);

CREATE TABLE crawler.schema_migration (
  name text NOT NULL,
  sha256 text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now(),
  steps_done integer NOT NULL DEFAULT 0
);

ALTER TABLE crawler.schema_migration ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

CREATE TABLE crawler.stream_setting (
  stream character varying(255) NOT NULL,
  ordering character varying(50) NOT NULL DEFAULT 'none'::character varying
);

ALTER TABLE crawler.stream_setting ADD CONSTRAINT stream_setting_ordering_is_known CHECK (((ordering)::text = ANY (ARRAY['none'::text, 'ascending'::text])));

ALTER TABLE crawler.stream_setting ADD CONSTRAINT stream_setting_pkey PRIMARY KEY (stream);

CREATE TABLE crawler.twitter_crawl_checkpoint PARTITION OF crawler.crawl_checkpoint (
  user_id,
  last_tweet_id,
  last_crawled_at DEFAULT now(),
  bookmarks_count DEFAULT 0,
  created_at DEFAULT now(),
  updated_at DEFAULT now(),
  stream DEFAULT 'twitter/bookmarks'::character varying
) FOR VALUES IN ('twitter/bookmarks');

ALTER TABLE crawler.twitter_crawl_checkpoint ADD CONSTRAINT twitter_crawl_checkpoint_pkey PRIMARY KEY (user_id);

CREATE INDEX twitter_crawl_checkpoint_crawled ON crawler.twitter_crawl_checkpoint USING btree (last_crawled_at, user_id, stream);

CREATE TRIGGER crawl_checkpoint_no_truncate BEFORE TRUNCATE ON crawler.twitter_crawl_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate();

ALTER TABLE crawler.twitter_crawl_checkpoint SET (autovacuum_vacuum_scale_factor=0.05);

CREATE TABLE crawler.used_session_id (
  id uuid NOT NULL
);

ALTER TABLE crawler.used_session_id ADD CONSTRAINT used_session_id_pkey PRIMARY KEY (id);

CREATE SEQUENCE crawler.feed_event_id AS bigint INCREMENT BY 1 MINVALUE 1 START WITH 1 OWNED BY crawler.feed_event.event_id;

CREATE SEQUENCE crawler.idempotency_key_id AS bigint INCREMENT BY 1 MINVALUE 1 START WITH 1 OWNED BY crawler.idempotency_key.key_id;

-- crawler.append_revision(text,text,text,text,text,text,text,integer,integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.append_revision(of_user text, of_stream text, source text, kind text, actor text, by_session text, item_id text, new_count integer, old_count integer, crawled_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  recorded_at CONSTANT timestamptz := crawler.clock();
  new_version integer;
BEGIN
  INSERT INTO crawler.checkpoint_revision AS r (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
    page_token, head_list_id, anchor_list_id, complete, full_pass, full_pass_has_item, catch_up_started_at, catch_up_item_id,
    catch_up_page_token, catch_up_head_list_id, order_key, session_id, epoch, last_crawled_at, recorded_at)
  SELECT s.user_id, s.stream, s.version, append_revision.source, append_revision.actor, item_id, new_count, greatest(new_count - old_count, 0),
    s.page_token, s.head_list_id, s.anchor_list_id, s.complete, s.full_pass, s.full_pass_has_item, s.catch_up_started_at,
    s.catch_up_item_id, s.catch_up_page_token, s.catch_up_head_list_id, s.order_key, by_session, s.written_epoch, crawled_at, recorded_at
  FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream
  RETURNING r.version INTO new_version;
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  VALUES (recorded_at, append_revision.kind, of_user, of_stream, by_session, new_version, item_id, new_count);
END
$function$;

-- crawler.begin_full_pass(text,text,text,integer,timestamp with time zone,text,text)
CREATE OR REPLACE FUNCTION crawler.begin_full_pass(of_user text, of_stream text, item_id text, bookmarks_count integer, crawled_at timestamp with time zone, actor text, by_session text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF item_id IS NULL THEN
    UPDATE crawler.crawl_state s SET page_token = NULL WHERE s.user_id = of_user AND s.stream = of_stream AND s.page_token IS NOT NULL;
    RETURN;
  END IF;
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = s.epoch, full_pass = true, full_pass_has_item = false, complete = false,
      page_token = NULL, head_list_id = NULL, opened_by_session_id = NULL, catch_up_started_at = NULL, catch_up_item_id = NULL,
      catch_up_page_token = NULL, catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, 'RESTART', 'CHECKPOINT_SAVED', actor, by_session, item_id, bookmarks_count,
    bookmarks_count, crawled_at);
END
$function$;

-- crawler.carry_state(text,text,text)
CREATE OR REPLACE FUNCTION crawler.carry_state(from_user text, to_user text, of_stream text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  carried crawler.crawl_state;
BEGIN
  UPDATE crawler.crawl_state s SET epoch = s.epoch + 1, owner_session_id = NULL
  WHERE s.stream = of_stream AND s.user_id IN (from_user, to_user);
  SELECT * INTO carried FROM crawler.crawl_state s WHERE s.user_id = from_user AND s.stream = of_stream;
  UPDATE crawler.crawl_state s
  SET version = greatest(s.version, carried.version) + 1, written_epoch = 0, page_token = carried.page_token,
      head_list_id = crawler.copy_list(from_user, carried.head_list_id, to_user),
      anchor_list_id = crawler.copy_list(from_user, carried.anchor_list_id, to_user),
      complete = carried.complete, order_key = carried.order_key, full_pass = carried.full_pass,
      full_pass_has_item = carried.full_pass_has_item, last_completed_at = carried.last_completed_at,
      last_started_at = greatest(s.last_started_at, carried.last_started_at),
      catch_up_started_at = carried.catch_up_started_at, catch_up_item_id = carried.catch_up_item_id,
      catch_up_page_token = carried.catch_up_page_token,
      catch_up_head_list_id = crawler.copy_list(from_user, carried.catch_up_head_list_id, to_user),
      -- The sessions that told the heads stay where they were.
      opened_by_session_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = to_user AND s.stream = of_stream;
  -- What was kept or saved for the new user under a key is gone.
  PERFORM crawler.forget_keys(to_user, of_stream, 0);

  INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
  SELECT to_user, o.stream, o.until, o.reason, o.paused_by FROM crawler.crawl_pause o
  WHERE o.user_id = from_user AND o.stream = of_stream
  ON CONFLICT (user_id, stream) DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
  WHERE p.until < excluded.until;
  DELETE FROM crawler.crawl_pause p WHERE p.user_id = from_user AND p.stream = of_stream;
END
$function$;

-- crawler.checkpoint_json(jsonb,jsonb)
CREATE OR REPLACE FUNCTION crawler.checkpoint_json(stored jsonb, state jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$ SELECT stored || jsonb_build_object('state', state) $function$;

-- crawler.clear_checkpoint(text,text,text,integer,text,text[])
CREATE OR REPLACE FUNCTION crawler.clear_checkpoint(of_user text, of_stream text, by_session text, expected_version integer, actor text, reach text[])
 RETURNS TABLE(outcome text, checkpoint jsonb, session jsonb, detail integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  locked record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  named crawler.crawl_session;
  current_version integer;
  now timestamptz;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO locked FROM crawler.lock_checkpoint(of_user, of_stream);
  stored := locked.stored;
  state := locked.state;
  current_version := CASE WHEN stored.user_id IS NULL THEN 0 ELSE state.version END;
  IF by_session IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s
    WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF NOT FOUND THEN
      outcome := 'SESSION_NOT_FOUND';
    ELSIF coalesce(state.epoch, 0) > named.epoch THEN
      outcome := 'STALE_EPOCH';
      detail := state.epoch;
    ELSIF named.status <> 'running' THEN
      outcome := 'SESSION_CLOSED';
    END IF;
  ELSIF state.owner_session_id IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    IF FOUND AND crawler.is_alive(named.status, named.epoch, named.lease_expires_at, named.lease_seconds, named.heartbeat_at) THEN
      outcome := 'STREAM_BUSY';
    END IF;
  END IF;
  session := to_jsonb(named);
  IF outcome IS NULL AND expected_version <> current_version THEN
    outcome := 'VERSION_CONFLICT';
    detail := current_version;
  END IF;
  IF outcome IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  now := crawler.clock();
  IF by_session IS NOT NULL THEN
    UPDATE crawler.crawl_session s
    SET heartbeat_at = now,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', s.rate_limited_until) + crawler.renewal_offset() END
    WHERE s.session_id = by_session;
  END IF;
  outcome := 'NOTHING';
  IF stored.user_id IS NOT NULL THEN
    PERFORM set_config('waymark.recorded', 'yes', true);
    DELETE FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
    PERFORM set_config('waymark.recorded', '', true);
    PERFORM crawler.record_clear(of_user, of_stream, 'CLEAR', actor, by_session,
      CASE WHEN by_session IS NOT NULL THEN named.epoch ELSE 0 END, stored.bookmarks_count);
    outcome := 'CLEARED';
    checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
  ELSIF state.user_id IS NOT NULL THEN
    -- A token that was kept for a crawl without an item, and when the list was last completed.
    UPDATE crawler.crawl_state s SET page_token = NULL, last_completed_at = NULL
    WHERE s.user_id = of_user AND s.stream = of_stream AND (s.page_token IS NOT NULL OR s.last_completed_at IS NOT NULL);
    PERFORM crawler.forget_keys(of_user, of_stream, 0);
  END IF;
  RETURN NEXT;
END
$function$;

-- crawler.clock()
CREATE OR REPLACE FUNCTION crawler.clock()
 RETURNS timestamp with time zone
 LANGUAGE sql
 PARALLEL RESTRICTED
AS $function$ SELECT pg_catalog.clock_timestamp() $function$;

-- crawler.complete_catch_up(text,text,integer,text,text,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.complete_catch_up(of_user text, of_stream text, by_epoch integer, actor text, by_session text, at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  old_head text[];
BEGIN
  PERFORM set_config('waymark.recorded', 'yes', true);
  UPDATE crawler.crawl_checkpoint k SET last_crawled_at = at
  WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  PERFORM set_config('waymark.recorded', '', true);
  IF stored.user_id IS NULL THEN
    RETURN;
  END IF;
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream;
  IF state.catch_up_started_at IS NULL THEN
    PERFORM crawler.tell_times(of_user, of_stream, by_session, stored.last_tweet_id, stored.bookmarks_count);
    RETURN;
  END IF;
  IF state.catch_up_head_list_id IS NOT NULL AND crawler.list_length(of_user, state.catch_up_head_list_id) < 2 THEN
    SELECT l.item_ids INTO old_head FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = state.head_list_id;
    state.catch_up_head_list_id := crawler.extend_head(of_user, state.catch_up_head_list_id, coalesce(old_head, '{}'));
  END IF;
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = by_epoch, head_list_id = coalesce(state.catch_up_head_list_id, s.head_list_id),
      catch_up_started_at = NULL, catch_up_item_id = NULL, catch_up_page_token = NULL, catch_up_head_list_id = NULL,
      catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, by_session, stored.last_tweet_id,
    stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at);
END
$function$;

-- crawler.complete_crawl(text,text,integer,text,text,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.complete_crawl(of_user text, of_stream text, by_epoch integer, actor text, by_session text, at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  is_change boolean;
BEGIN
  PERFORM set_config('waymark.recorded', 'yes', true);
  UPDATE crawler.crawl_checkpoint k SET last_crawled_at = at
  WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  PERFORM set_config('waymark.recorded', '', true);
  SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream;
  is_change := stored.user_id IS NOT NULL AND (NOT state.complete OR state.page_token IS NOT NULL);
  IF is_change AND NOT state.complete AND (state.full_pass_has_item OR NOT state.full_pass) THEN
    state.anchor_list_id := coalesce(state.head_list_id, crawler.store_list(of_user, ARRAY[stored.last_tweet_id::text]));
  END IF;
  UPDATE crawler.crawl_state s
  SET last_completed_at = at, page_token = NULL, version = s.version + is_change::integer,
      written_epoch = CASE WHEN is_change THEN by_epoch ELSE s.written_epoch END,
      anchor_list_id = state.anchor_list_id, head_list_id = NULL, opened_by_session_id = NULL,
      complete = stored.user_id IS NOT NULL, full_pass = false, full_pass_has_item = false, catch_up_started_at = NULL,
      catch_up_item_id = NULL, catch_up_page_token = NULL, catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  IF is_change THEN
    PERFORM crawler.append_revision(of_user, of_stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, by_session, stored.last_tweet_id,
      stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at);
  ELSIF stored.user_id IS NOT NULL THEN
    PERFORM crawler.tell_times(of_user, of_stream, by_session, stored.last_tweet_id, stored.bookmarks_count);
  END IF;
END
$function$;

-- crawler.copy_list(text,bigint,text)
CREATE OR REPLACE FUNCTION crawler.copy_list(from_user text, of_list bigint, to_user text)
 RETURNS bigint
 LANGUAGE sql
AS $function$
  INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
  SELECT to_user, l.item_ids, crawler.clock() FROM crawler.item_list l WHERE l.user_id = from_user AND l.list_id = of_list
  RETURNING list_id
$function$;

-- crawler.create_api_key(text,text,bytea,text[],text[],timestamp with time zone,text)
CREATE OR REPLACE FUNCTION crawler.create_api_key(new_id text, of_client text, new_hash bytea, may text[], only_users text[], until timestamp with time zone, by_subject text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
$function$;

-- crawler.drop_partition(text)
CREATE OR REPLACE FUNCTION crawler.drop_partition(of_name text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  retired CONSTANT regclass := to_regclass('crawler.' || quote_ident(of_name));
BEGIN
  IF NOT EXISTS (SELECT FROM crawler.log_partition p WHERE p.name = of_name AND p.opened_at IS NOT NULL)
    OR (SELECT c.relispartition FROM pg_class c WHERE c.oid = retired) THEN
    RETURN false;
  END IF;
  IF retired IS NOT NULL THEN
    EXECUTE format('DROP TABLE %s', retired);
  END IF;
  DELETE FROM crawler.log_partition p WHERE p.name = of_name;
  RETURN true;
END
$function$;

-- crawler.duration_step(timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.duration_step(started_at timestamp with time zone, completed_at timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN NOT isfinite(started_at) OR NOT isfinite(completed_at) OR completed_at < started_at THEN 0
    ELSE width_bucket(extract(epoch FROM completed_at - started_at), ARRAY[0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144]::numeric[]) END
$function$;

-- crawler.end_outage(timestamp with time zone,timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.end_outage(alive_at timestamp with time zone, lease_now timestamp with time zone, now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
  longest_lease CONSTANT interval := '1 hour';
BEGIN
  PERFORM crawler.look_at_leases(now, alive_at);
  UPDATE crawler.reaper r
  SET alive_after = CASE WHEN r.alive_again_at + longest_lease > alive_at THEN least(r.alive_after, alive_at) ELSE alive_at END,
      alive_again_at = lease_now;
END
$function$;

-- crawler.end_session(text,text,integer,text,text,text,text[])
CREATE OR REPLACE FUNCTION crawler.end_session(of_session text, new_status text, processed integer, output_path text, message text, actor text, reach text[])
 RETURNS TABLE(outcome text, session jsonb, detail integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  named crawler.crawl_session;
  locked record;
  state crawler.crawl_state;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  IF new_status = 'completed' AND named.status = 'running' THEN
    SELECT * INTO locked FROM crawler.lock_checkpoint(named.user_id, named.stream);
    state := locked.state;
    IF state.user_id IS NULL THEN
      state := crawler.lock_state(named.user_id, named.stream);
    END IF;
  ELSE
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = named.user_id AND s.stream = named.stream FOR UPDATE;
  END IF;
  SELECT * INTO named FROM crawler.crawl_session s
  WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach)) FOR UPDATE;
  now := crawler.clock();
  session := to_jsonb(named);
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
  ELSIF crawler.known_status(named.status) = new_status THEN
    outcome := 'UNCHANGED';
  ELSIF coalesce(state.epoch, 0) > named.epoch THEN
    outcome := 'STALE_EPOCH';
    detail := state.epoch;
  ELSIF named.status <> 'running' THEN
    outcome := 'SESSION_CLOSED';
  ELSE
    UPDATE crawler.crawl_session s
    SET status = new_status, completed_at = now, end_reason = 'REPORTED', lease_expires_at = NULL, rate_limited_until = NULL,
        bookmarks_processed = greatest(s.bookmarks_processed, processed),
        output_file_path = coalesce(output_path, s.output_file_path), error_message = coalesce(message, s.error_message)
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    IF new_status = 'completed' AND coalesce(named.mode, '') = 'CATCH_UP' THEN
      PERFORM crawler.complete_catch_up(named.user_id, named.stream, named.epoch, actor, of_session, now);
    ELSIF new_status = 'completed' THEN
      PERFORM crawler.complete_crawl(named.user_id, named.stream, named.epoch, actor, of_session, now);
    END IF;
    outcome := 'ENDED';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$function$;

-- crawler.expire_session(text,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.expire_session(expired_id text, at timestamp with time zone)
 RETURNS void
 LANGUAGE sql
AS $function$
  UPDATE crawler.crawl_session s
  SET status = CASE WHEN s.stop_requested_at IS NULL THEN 'failed' ELSE 'stopped' END,
      error_message = CASE WHEN s.stop_requested_at IS NULL THEN 'lease expired' ELSE s.error_message END,
      completed_at = at, end_reason = 'LEASE_EXPIRED', lease_expires_at = NULL, rate_limited_until = NULL
  WHERE s.session_id = expired_id AND s.status = 'running'
$function$;

-- crawler.extend_head(text,bigint,text[])
CREATE OR REPLACE FUNCTION crawler.extend_head(of_user text, head bigint, page text[])
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
DECLARE
  stored text[] := '{}';
  item text;
  extended text[];
BEGIN
  IF head IS NOT NULL THEN
    SELECT l.item_ids INTO stored FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = head;
    IF cardinality(stored) >= 3 THEN
      RETURN head;
    END IF;
  END IF;
  extended := stored;
  FOREACH item IN ARRAY page LOOP
    IF NOT item = ANY (extended) AND cardinality(extended) < 50 THEN
      extended := extended || item;
    END IF;
  END LOOP;
  IF extended = stored THEN
    RETURN head;
  END IF;
  RETURN crawler.store_list(of_user, extended);
END
$function$;

-- crawler.fence_catch_up(text,text)
CREATE OR REPLACE FUNCTION crawler.fence_catch_up(of_user text, of_stream text)
 RETURNS void
 LANGUAGE sql
AS $function$
  UPDATE crawler.crawl_state st SET epoch = st.epoch + 1, owner_session_id = NULL
  FROM crawler.crawl_session s
  WHERE st.user_id = of_user AND st.stream = of_stream AND s.session_id = st.owner_session_id
    AND s.status = 'running' AND s.mode = 'CATCH_UP'
$function$;

-- crawler.find_leases(text,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.find_leases(after text, lease_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  most CONSTANT integer := 500;
  last text;
  looked integer;
BEGIN
  WITH live AS MATERIALIZED (
    SELECT s.session_id FROM crawler.crawl_session s
    WHERE s.status = 'running' AND s.epoch > 0 AND s.session_id > after ORDER BY s.session_id LIMIT most
  ), added AS (
    INSERT INTO crawler.lease_look (session_id, look_at)
    SELECT l.session_id, lease_now FROM live l WHERE NOT EXISTS (SELECT FROM crawler.lease_look k WHERE k.session_id = l.session_id)
    ON CONFLICT DO NOTHING
  )
  SELECT max(l.session_id), count(*) INTO last, looked FROM live l;
  RETURN CASE WHEN looked = most THEN last ELSE '' END;
END
$function$;

-- crawler.forget_keys(text,text,integer)
CREATE OR REPLACE FUNCTION crawler.forget_keys(of_user text, of_stream text, last_kept integer)
 RETURNS void
 LANGUAGE sql
AS $function$
  DELETE FROM crawler.idempotency_key i
  WHERE i.user_id = of_user AND i.stream = of_stream AND (i.version > last_kept OR last_kept = 0)
$function$;

-- crawler.forget_lists(bigint[])
CREATE OR REPLACE FUNCTION crawler.forget_lists(lists bigint[])
 RETURNS void
 LANGUAGE sql
AS $function$
  WITH unused AS MATERIALIZED (
    SELECT l.list_id FROM crawler.item_list l
    WHERE l.list_id = ANY (lists)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.anchor_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.catch_up_head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.anchor_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.catch_up_head_list_id = l.list_id)
    FOR UPDATE OF l SKIP LOCKED
  )
  DELETE FROM crawler.item_list l USING unused u WHERE l.list_id = u.list_id
$function$;

-- crawler.heartbeat(text,integer,integer,integer,timestamp with time zone,text[])
CREATE OR REPLACE FUNCTION crawler.heartbeat(of_session text, processed integer, more_api_requests integer, more_rate_limit_hits integer, limited_until timestamp with time zone, reach text[])
 RETURNS TABLE(outcome text, session jsonb, detail integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  max_count CONSTANT bigint := 2147483647;
  named crawler.crawl_session;
  current_epoch integer;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT s.epoch INTO current_epoch FROM crawler.crawl_state s
  WHERE s.user_id = named.user_id AND s.stream = named.stream FOR UPDATE;
  SELECT * INTO named FROM crawler.crawl_session s
  WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach)) FOR UPDATE;
  now := crawler.clock();
  session := to_jsonb(named);
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
  ELSIF coalesce(current_epoch, 0) > named.epoch THEN
    outcome := 'STALE_EPOCH';
    detail := current_epoch;
  ELSIF named.status <> 'running' THEN
    outcome := 'SESSION_CLOSED';
  ELSIF named.api_requests::bigint + coalesce(more_api_requests, 0) > max_count
    OR named.rate_limit_hits::bigint + coalesce(more_rate_limit_hits, 0) > max_count THEN
    outcome := 'COUNT_OVERFLOW';
  ELSE
    detail := CASE WHEN limited_until IS NOT NULL AND NOT named.rate_limit_told THEN 1 END;
    UPDATE crawler.crawl_session s
    SET bookmarks_processed = greatest(s.bookmarks_processed, processed),
        api_requests = s.api_requests + coalesce(more_api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(more_rate_limit_hits, 0),
        heartbeat_at = now, rate_limited_until = limited_until, rate_limit_told = s.rate_limit_told OR limited_until IS NOT NULL,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', limited_until) + crawler.renewal_offset() END
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    outcome := 'WRITTEN';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$function$;

-- crawler.import_checkpoints(json,text,text[])
CREATE OR REPLACE FUNCTION crawler.import_checkpoints(commands json, actor text, reach text[])
 RETURNS TABLE(command integer, outcome text, created boolean, checkpoint jsonb, session jsonb)
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
$function$;

-- crawler.is_alive(text,integer,timestamp with time zone,integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.is_alive(status text, epoch integer, lease_expires_at timestamp with time zone, lease_seconds integer, heartbeat_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
AS $function$ SELECT status = 'running' AND epoch > 0 AND crawler.lease_end(lease_expires_at, lease_seconds, heartbeat_at) > crawler.lease_clock() $function$;

-- crawler.is_made_id(text)
CREATE OR REPLACE FUNCTION crawler.is_made_id(session_id text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
RETURN (session_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'::text);

-- crawler.keep_lease_clock(timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.keep_lease_clock(expected timestamp with time zone, OUT now timestamp with time zone, OUT lease_now timestamp with time zone, OUT last_look timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
  reaper crawler.reaper;
  gone interval;
BEGIN
  SELECT * INTO reaper FROM crawler.reaper FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  now := crawler.clock();
  last_look := reaper.ticked_at + reaper.clock_back;
  lease_now := now + reaper.clock_back;
  IF now < reaper.ticked_at THEN
    gone := CASE WHEN isfinite(expected) AND expected > last_look THEN expected - last_look ELSE interval '0' END;
    -- No more than a second: leases that were renewed since then count on it (renewal_offset).
    lease_now := last_look + least(gone, interval '1 second');
    -- In seconds: a day of an interval is not always 24 hours long.
    UPDATE crawler.reaper SET ticked_at = keep_lease_clock.now, clock_back = make_interval(secs => extract(epoch FROM lease_now - keep_lease_clock.now)::float8);
    IF expected = '-infinity' OR gone > interval '2.5 seconds' THEN
      PERFORM crawler.end_outage(last_look, lease_now, keep_lease_clock.now);
    END IF;
    last_look := lease_now;
  END IF;
END
$function$;

-- crawler.keep_list(text,bigint,text[])
CREATE OR REPLACE FUNCTION crawler.keep_list(of_user text, present bigint, items text[])
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF coalesce(cardinality(items), 0) = 0 THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = present AND l.item_ids = items) THEN
    RETURN present;
  END IF;
  RETURN crawler.store_list(of_user, items);
END
$function$;

-- crawler.keep_used_session_ids()
CREATE OR REPLACE FUNCTION crawler.keep_used_session_ids()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO crawler.used_session_id (id)
  SELECT d.session_id::uuid FROM deleted d WHERE crawler.is_made_id(d.session_id) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$function$;

-- crawler.known_status(text)
CREATE OR REPLACE FUNCTION crawler.known_status(status text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT CASE WHEN status IN ('running', 'completed', 'stopped') THEN status ELSE 'failed' END $function$;

-- crawler.lease_clock()
CREATE OR REPLACE FUNCTION crawler.lease_clock()
 RETURNS timestamp with time zone
 LANGUAGE sql
AS $function$ SELECT crawler.clock() + crawler.lease_offset() $function$;

-- crawler.lease_end(timestamp with time zone,integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.lease_end(expires_at timestamp with time zone, lease_seconds integer, heartbeat_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$
  SELECT greatest(expires_at, CASE
    WHEN expires_at > (SELECT r.alive_after FROM crawler.reaper r)
      AND (heartbeat_at > (SELECT r.alive_again_at FROM crawler.reaper r)) IS NOT TRUE
    THEN (SELECT r.alive_again_at FROM crawler.reaper r) + lease_seconds * interval '1 second' END)
$function$;

-- crawler.lease_offset()
CREATE OR REPLACE FUNCTION crawler.lease_offset()
 RETURNS interval
 LANGUAGE plpgsql
AS $function$
BEGIN
  RETURN coalesce((SELECT greatest(r.ticked_at - crawler.clock(), interval '0') + r.clock_back FROM crawler.reaper r), interval '0');
END
$function$;

-- crawler.list_length(text,bigint)
CREATE OR REPLACE FUNCTION crawler.list_length(of_user text, list bigint)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce((SELECT cardinality(l.item_ids) FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = list), 0)
$function$;

-- crawler.lock_checkpoint(text,text)
CREATE OR REPLACE FUNCTION crawler.lock_checkpoint(of_user text, of_stream text, OUT stored crawler.crawl_checkpoint, OUT state crawler.crawl_state)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
BEGIN
  LOOP
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream FOR UPDATE;
    IF FOUND THEN
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
      RETURN;
    END IF;
    BEGIN
      SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
      -- Under that lock nobody makes it, but a save may have done so while this waited for the lock. Its row has to be
      -- locked first: look again, and let the other lock go with this block.
      IF NOT EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream) THEN
        RETURN;
      END IF;
      RAISE EXCEPTION USING ERRCODE = 'WM001';
    EXCEPTION WHEN SQLSTATE 'WM001' THEN
      NULL;
    END;
  END LOOP;
END
$function$;

-- crawler.lock_state(text,text)
CREATE OR REPLACE FUNCTION crawler.lock_state(of_user text, of_stream text)
 RETURNS crawler.crawl_state
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  state crawler.crawl_state;
BEGIN
  LOOP
    SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF FOUND THEN
      RETURN state;
    END IF;
    INSERT INTO crawler.crawl_state (user_id, stream) VALUES (of_user, of_stream) ON CONFLICT DO NOTHING;
  END LOOP;
END
$function$;

-- crawler.look_at_leases(timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.look_at_leases(now timestamp with time zone, lease_now timestamp with time zone, OUT reaped integer, OUT told integer, OUT is_full boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  most_looks CONSTANT integer := 1000;
  most_writes CONSTANT integer := 50;
  ahead CONSTANT interval := lease_now - now;
  looks integer;
  writes integer := 0;
  due record;
  held crawler.crawl_session;
  reason text;
BEGIN
  reaped := 0;
  told := 0;
  FOR due IN
    WITH due AS MATERIALIZED (
      SELECT l.session_id FROM crawler.lease_look l WHERE l.look_at <= lease_now ORDER BY l.look_at LIMIT most_looks FOR UPDATE SKIP LOCKED
    ), judged AS MATERIALIZED (
      SELECT d.session_id, s.session_id IS NOT NULL AS is_running, ends.at AS ends_at, stall.look_at AS stall_at,
        (stall.reason IS NULL) <> (s.stall_told IS NULL) AS has_news
      FROM due d
      LEFT JOIN crawler.crawl_session s ON s.session_id = d.session_id AND s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at IS NOT NULL
      CROSS JOIN LATERAL (SELECT crawler.lease_end(s.lease_expires_at, s.lease_seconds, s.heartbeat_at) AS at) AS ends
      CROSS JOIN LATERAL (SELECT
        crawler.stall_reason(s.loop_hits, s.empty_saves, s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_now,
          s.rate_limited_until, now) AS reason,
        CASE WHEN s.stall_told IS NULL THEN crawler.next_stall_look(s.lease_seconds, coalesce(s.position_moved_at, s.started_at), lease_now,
          s.rate_limited_until + ahead) END AS look_at) AS stall
    ), gone AS (
      DELETE FROM crawler.lease_look l USING judged j WHERE l.session_id = j.session_id AND NOT j.is_running
    ), later AS (
      UPDATE crawler.lease_look l
      -- A stall that is due has been told, or is not one yet at this very moment.
      SET look_at = least(j.ends_at, CASE WHEN j.stall_at IS NOT NULL THEN greatest(j.stall_at, lease_now + interval '1 second') END)
      FROM judged j WHERE l.session_id = j.session_id AND j.is_running AND j.ends_at > lease_now AND NOT j.has_news
    )
    SELECT j.session_id, j.is_running AND (j.ends_at <= lease_now OR j.has_news) AS is_written, count(*) OVER () AS looks FROM judged j
  LOOP
    looks := due.looks;
    CONTINUE WHEN NOT due.is_written;
    EXIT WHEN writes = most_writes;
    writes := writes + 1;
    SELECT * INTO held FROM crawler.crawl_session c WHERE c.session_id = due.session_id FOR UPDATE SKIP LOCKED;
    -- Otherwise it stays due: what another transaction has just written is judged by the next call.
    CONTINUE WHEN NOT FOUND OR held.status <> 'running' OR held.lease_expires_at IS NULL;
    IF crawler.lease_end(held.lease_expires_at, held.lease_seconds, held.heartbeat_at) <= lease_now THEN
      PERFORM crawler.expire_session(held.session_id, now);
      DELETE FROM crawler.lease_look l WHERE l.session_id = held.session_id;
      reaped := reaped + 1;
      CONTINUE;
    END IF;
    reason := crawler.stall_reason(held.loop_hits, held.empty_saves, held.lease_seconds, coalesce(held.position_moved_at, held.started_at), lease_now,
      held.rate_limited_until, now);
    CONTINUE WHEN (reason IS NULL) = (held.stall_told IS NULL);
    UPDATE crawler.crawl_session c SET stall_told = reason WHERE c.session_id = held.session_id;
    UPDATE crawler.lease_look l
    SET look_at = least(crawler.lease_end(held.lease_expires_at, held.lease_seconds, held.heartbeat_at), CASE WHEN reason IS NULL THEN greatest(lease_now + interval '1 second',
      crawler.next_stall_look(held.lease_seconds, coalesce(held.position_moved_at, held.started_at), lease_now, held.rate_limited_until + ahead)) END)
    WHERE l.session_id = held.session_id;
    told := told + 1;
  END LOOP;
  is_full := coalesce(looks, 0) >= most_looks OR writes >= most_writes;
END
$function$;

-- crawler.make_partition(text)
CREATE OR REPLACE FUNCTION crawler.make_partition(of_parent text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  newest crawler.log_partition;
  width bigint;
  new_name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('waymark partition ' || of_parent, 0));
  SELECT * INTO newest FROM crawler.log_partition p WHERE p.parent = of_parent ORDER BY p.first_id DESC LIMIT 1;
  IF NOT FOUND OR newest.opened_at IS NULL THEN
    RETURN NULL;
  END IF;
  width := newest.end_id - newest.first_id;
  new_name := of_parent || '_' || newest.end_id / width;
  EXECUTE format('CREATE TABLE crawler.%I (LIKE crawler.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE)',
    new_name, of_parent);
  EXECUTE format('ALTER TABLE crawler.%I ATTACH PARTITION crawler.%I FOR VALUES FROM (%s) TO (%s)',
    of_parent, new_name, newest.end_id, newest.end_id + width);
  INSERT INTO crawler.log_partition (name, parent, first_id, end_id) VALUES (new_name, of_parent, newest.end_id, newest.end_id + width);
  RETURN new_name;
END
$function$;

-- crawler.move_checkpoints(text,text,text,boolean,text,text[])
CREATE OR REPLACE FUNCTION crawler.move_checkpoints(from_user text, to_user text, of_stream text, dry_run boolean, actor text, reach text[])
 RETURNS TABLE(outcome text, checkpoint jsonb, session jsonb, detail text)
 LANGUAGE plpgsql
AS $function$
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
$function$;

-- crawler.next_stall_look(integer,timestamp with time zone,timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.next_stall_look(lease_seconds integer, moved_at timestamp with time zone, lease_now timestamp with time zone, limited_until timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
AS $function$
  SELECT greatest(moved_at + lease_seconds * interval '5 seconds', CASE WHEN limited_until > lease_now THEN least(limited_until, lease_now + lease_seconds * interval '1 second') END)
$function$;

-- crawler.note_foreign_save(text,text,boolean,boolean,integer)
CREATE OR REPLACE FUNCTION crawler.note_foreign_save(of_user text, of_stream text, moves boolean, is_new boolean, new_versions integer)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  UPDATE crawler.crawl_state s
  SET version = s.version + new_versions, written_epoch = 0, page_token = NULL, complete = false,
      order_key = CASE WHEN moves THEN NULL ELSE s.order_key END,
      head_list_id = CASE WHEN is_new OR s.complete OR (moves AND s.full_pass AND NOT s.full_pass_has_item) THEN NULL ELSE s.head_list_id END,
      opened_by_session_id = CASE WHEN is_new OR s.complete OR (moves AND s.full_pass AND NOT s.full_pass_has_item) THEN NULL
        ELSE s.opened_by_session_id END,
      full_pass_has_item = s.full_pass AND (s.full_pass_has_item OR moves)
  WHERE s.user_id = of_user AND s.stream = of_stream
$function$;

-- crawler.open_partition(text,interval)
CREATE OR REPLACE FUNCTION crawler.open_partition(of_parent text, after interval)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  now timestamptz := crawler.clock();
  next crawler.log_partition;
  writers text[];
  ids CONSTANT regclass := ('crawler.' || quote_ident(of_parent || '_id'))::regclass;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('waymark partition ' || of_parent, 0)) THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM crawler.log_partition p WHERE p.parent = of_parent AND p.opened_at > now - after) THEN
    RETURN false;
  END IF;
  SELECT * INTO next FROM crawler.log_partition p WHERE p.parent = of_parent AND p.opened_at IS NULL ORDER BY p.first_id LIMIT 1;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- A prepared transaction (no pid) writes nothing more.
  writers := ARRAY(SELECT DISTINCT l.virtualtransaction FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.relation = ('crawler.' || quote_ident(of_parent))::regclass AND l.mode = 'RowExclusiveLock'
      AND l.granted AND l.pid IS NOT NULL AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
  -- Those open at the first look after the partition was attached. Later ones have locked the table since, and know it.
  UPDATE crawler.log_partition p SET waits_for = writers WHERE p.name = next.name AND p.waits_for IS NULL;
  IF writers && coalesce(next.waits_for, writers) THEN
    RETURN false;
  END IF;
  -- Never back: an earlier run may have jumped and then failed to note it.
  IF coalesce(pg_sequence_last_value(ids), 0) < next.first_id - 1 THEN
    PERFORM setval(ids, next.first_id - 1);
  END IF;
  UPDATE crawler.log_partition p SET opened_at = now WHERE p.name = next.name;
  RETURN true;
END
$function$;

-- crawler.pause_crawl(text,text,timestamp with time zone,text,text,text,text[])
CREATE OR REPLACE FUNCTION crawler.pause_crawl(of_user text, of_stream text, new_until timestamp with time zone, new_reason text, by_session text, actor text, reach text[])
 RETURNS TABLE(outcome text, session jsonb, detail integer, pause jsonb, told boolean)
 LANGUAGE plpgsql
AS $function$
DECLARE
  named crawler.crawl_session;
  state crawler.crawl_state;
  present crawler.crawl_pause;
  now timestamptz;
BEGIN
  told := false;
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  IF by_session IS NOT NULL AND NOT EXISTS (
    SELECT FROM crawler.crawl_session s WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream
  ) THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM public."user" u WHERE u.id = of_user) THEN
    outcome := 'USER_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  state := crawler.lock_state(of_user, of_stream);
  IF by_session IS NOT NULL THEN
    SELECT * INTO named FROM crawler.crawl_session s
    WHERE s.session_id = by_session AND s.user_id = of_user AND s.stream = of_stream FOR UPDATE;
    IF NOT FOUND THEN
      outcome := 'SESSION_NOT_FOUND';
    ELSIF state.epoch > named.epoch THEN
      outcome := 'STALE_EPOCH';
      detail := state.epoch;
    ELSIF named.status <> 'running' THEN
      outcome := 'SESSION_CLOSED';
    END IF;
    session := to_jsonb(named);
    IF outcome IS NOT NULL THEN
      RETURN NEXT;
      RETURN;
    END IF;
  END IF;

  now := crawler.clock();
  SELECT * INTO present FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream FOR UPDATE;
  IF by_session IS NULL OR present.until IS NULL OR present.until < new_until THEN
    told := coalesce(present.until <= now, true);
    INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
    VALUES (of_user, of_stream, new_until, new_reason, actor)
    ON CONFLICT ON CONSTRAINT crawl_pause_pkey DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
    RETURNING p.* INTO present;
    IF told THEN
      PERFORM crawler.tell_pause(of_user, of_stream, 'CHECKPOINT_PAUSED', by_session);
    END IF;
  END IF;
  outcome := 'PAUSED';
  pause := to_jsonb(present);
  RETURN NEXT;
END
$function$;

-- crawler.plan_crawl(text,text,text,text)
CREATE OR REPLACE FUNCTION crawler.plan_crawl(of_user text, of_stream text, wanted text, except_session text, OUT mode text, OUT after_item_id text, OUT page_token text, OUT until_list_id bigint, OUT reason text, OUT previous jsonb, OUT pause jsonb)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;

-- crawler.prune_history(text[],text[],integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.prune_history(users text[], streams text[], keep_revisions integer, old_before timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
DECLARE
  pruned integer;
  lists bigint[];
BEGIN
  WITH saved AS MATERIALIZED (
    SELECT DISTINCT u.user_id, u.stream FROM unnest(users, streams) AS u (user_id, stream)
  ), oldest AS MATERIALIZED (
    -- The first that stays tells when to look again.
    SELECT s.user_id, s.stream, r.version, r.recorded_at, row_number() OVER list AS place, bool_and(
        r.recorded_at < old_before AND r.version <= st.version - keep_revisions
        -- Where a move skipped versions, the newest are not those with the highest numbers in a row.
        AND CASE WHEN r.recorded_at < old_before AND (SELECT true FROM crawler.checkpoint_revision f
            WHERE f.user_id = s.user_id AND f.stream = s.stream AND f.follows_version IS NOT NULL LIMIT 1)
          THEN r.version <= coalesce((SELECT n.version FROM crawler.checkpoint_revision n
            WHERE n.user_id = s.user_id AND n.stream = s.stream ORDER BY n.version DESC OFFSET keep_revisions LIMIT 1), 0)
          ELSE true END) OVER list AS is_old
    FROM saved s
    CROSS JOIN LATERAL (SELECT k.version FROM crawler.crawl_state k WHERE k.user_id = s.user_id AND k.stream = s.stream) AS st
    CROSS JOIN LATERAL (SELECT o.version, o.recorded_at FROM crawler.checkpoint_revision o
      WHERE o.user_id = s.user_id AND o.stream = s.stream ORDER BY o.version LIMIT 3) AS r
    WINDOW list AS (PARTITION BY s.user_id, s.stream ORDER BY r.version)
  ), deleted AS (
    DELETE FROM crawler.checkpoint_revision r USING oldest o
    WHERE r.user_id = o.user_id AND r.stream = o.stream AND r.version = o.version AND o.is_old AND o.place <= 2
    RETURNING r.head_list_id, r.anchor_list_id, r.catch_up_head_list_id
  ), noted AS (
    UPDATE crawler.crawl_state s SET oldest_revision_at = o.recorded_at
    FROM (SELECT DISTINCT ON (n.user_id, n.stream) n.* FROM oldest n WHERE NOT n.is_old OR n.place = 3 ORDER BY n.user_id, n.stream, n.version) AS o
    WHERE s.user_id = o.user_id AND s.stream = o.stream AND s.oldest_revision_at IS DISTINCT FROM o.recorded_at
  )
  SELECT (SELECT count(*) FROM deleted),
    (SELECT array_agg(DISTINCT l.list_id) FROM deleted d, unnest(ARRAY[d.head_list_id, d.anchor_list_id, d.catch_up_head_list_id]) AS l (list_id)
      WHERE l.list_id IS NOT NULL)
  INTO pruned, lists;
  IF lists IS NOT NULL THEN
    PERFORM crawler.forget_lists(lists);
  END IF;
  RETURN pruned;
END
$function$;

-- crawler.reap()
CREATE OR REPLACE FUNCTION crawler.reap()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
DECLARE
  kept record;
BEGIN
  SELECT * INTO kept FROM crawler.keep_lease_clock(NULL);
  IF kept.now IS NULL THEN
    RETURN 0;
  END IF;
  RETURN (SELECT l.reaped FROM crawler.see_leases(kept.now, kept.lease_now, kept.last_look) l);
END
$function$;

-- crawler.reaper_tick(timestamp with time zone,boolean)
CREATE OR REPLACE FUNCTION crawler.reaper_tick(expected timestamp with time zone, again boolean, OUT reaped integer, OUT told integer, OUT is_full boolean, OUT lease_seconds double precision, OUT lease_ahead_ms double precision, OUT alive_after timestamp with time zone, OUT alive_again_at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
  at CONSTANT timestamptz := crawler.clock();
  kept record;
  looked record;
BEGIN
  reaped := 0;
  told := 0;
  is_full := false;
  IF NOT again THEN
    SELECT extract(epoch FROM at + r.clock_back), extract(epoch FROM r.clock_back) * 1000, r.alive_after, r.alive_again_at
    INTO lease_seconds, lease_ahead_ms, alive_after, alive_again_at
    FROM crawler.reaper r WHERE r.ticked_at <= at AND r.ticked_at > at - interval '0.9 seconds';
    IF FOUND THEN
      RETURN;
    END IF;
  END IF;
  SELECT * INTO kept FROM crawler.keep_lease_clock(expected);
  IF kept.now IS NULL THEN
    RETURN;
  END IF;
  SELECT * INTO looked FROM crawler.see_leases(kept.now, kept.lease_now, kept.last_look);
  reaped := looked.reaped;
  told := looked.told;
  is_full := looked.is_full;
  lease_seconds := extract(epoch FROM kept.lease_now);
  lease_ahead_ms := extract(epoch FROM kept.lease_now - kept.now) * 1000;
  SELECT r.alive_after, r.alive_again_at INTO alive_after, alive_again_at FROM crawler.reaper r;
END
$function$;

-- crawler.record_clear(text,text,text,text,text,integer,integer)
CREATE OR REPLACE FUNCTION crawler.record_clear(of_user text, of_stream text, source text, actor text, by_session text, by_epoch integer, old_count integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = by_epoch, page_token = NULL, head_list_id = NULL, anchor_list_id = NULL,
      complete = false, opened_by_session_id = NULL, order_key = NULL, full_pass = false, full_pass_has_item = false,
      last_completed_at = NULL, catch_up_started_at = NULL, catch_up_item_id = NULL, catch_up_page_token = NULL,
      catch_up_head_list_id = NULL, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream;
  PERFORM crawler.append_revision(of_user, of_stream, source, 'CHECKPOINT_CLEARED', actor, by_session, NULL, 0, old_count, NULL);
  PERFORM crawler.forget_keys(of_user, of_stream, 0);
  PERFORM crawler.fence_catch_up(of_user, of_stream);
END
$function$;

-- crawler.record_foreign_write()
CREATE OR REPLACE FUNCTION crawler.record_foreign_write()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  state crawler.crawl_state;
  moves boolean;
  same_key CONSTANT boolean := TG_OP = 'UPDATE' AND (OLD.user_id, OLD.stream) = (NEW.user_id, NEW.stream);
  -- Another user of the same list: the state goes along. Tokens, heads and anchors of another list are worth nothing.
  changes_user CONSTANT boolean := TG_OP = 'UPDATE' AND OLD.user_id <> NEW.user_id AND OLD.stream = NEW.stream;
BEGIN
  IF current_setting('waymark.recorded', true) = 'yes' THEN
    RETURN NULL;
  END IF;
  IF changes_user THEN
    IF OLD.user_id COLLATE "C" < NEW.user_id THEN
      PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    END IF;
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.carry_state(OLD.user_id, NEW.user_id, NEW.stream);
    moves := OLD.last_tweet_id <> NEW.last_tweet_id;
    IF moves OR OLD.bookmarks_count <> NEW.bookmarks_count THEN
      PERFORM crawler.note_foreign_save(NEW.user_id, NEW.stream, moves, false, 0);
    END IF;
    PERFORM crawler.record_move(OLD.user_id, NEW.user_id, NEW.stream, 'EXTERNAL', NULL, NEW.last_tweet_id, NEW.bookmarks_count,
      OLD.bookmarks_count, NEW.last_crawled_at, state.version);
    RETURN NULL;
  END IF;
  -- Another list is a clear of the old one and a save of the new one.
  IF TG_OP <> 'INSERT' AND NOT same_key THEN
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.record_clear(OLD.user_id, OLD.stream, 'EXTERNAL', NULL, NULL, 0, OLD.bookmarks_count);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    moves := NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id;
    IF moves OR OLD.bookmarks_count <> NEW.bookmarks_count OR state.page_token IS NOT NULL OR state.complete THEN
      PERFORM crawler.note_foreign_save(NEW.user_id, NEW.stream, moves, NOT same_key, 1);
      PERFORM crawler.append_revision(NEW.user_id, NEW.stream, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, NEW.last_tweet_id,
        NEW.bookmarks_count, CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
END
$function$;

-- crawler.record_move(text,text,text,text,text,text,integer,integer,timestamp with time zone,integer)
CREATE OR REPLACE FUNCTION crawler.record_move(from_user text, to_user text, of_stream text, source text, actor text, item_id text, new_count integer, old_count integer, crawled_at timestamp with time zone, last_version integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  PERFORM crawler.record_clear(from_user, of_stream, source, actor, NULL, 0, old_count);
  -- What is moved is nothing new: only what an SQL client changed in the same statement counts as added.
  PERFORM crawler.append_revision(to_user, of_stream, source, 'CHECKPOINT_SAVED', actor, NULL, item_id, new_count, old_count, crawled_at);
  UPDATE crawler.checkpoint_revision r SET follows_version = last_version
  FROM crawler.crawl_state s
  WHERE s.user_id = to_user AND s.stream = of_stream AND r.user_id = to_user AND r.stream = of_stream
    AND r.version = s.version AND r.version > last_version + 1;
END
$function$;

-- crawler.record_session_event()
CREATE OR REPLACE FUNCTION crawler.record_session_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  -- Another key is another session: the old one is gone, a new one is there.
  same_session CONSTANT boolean := TG_OP = 'UPDATE'
    AND (OLD.session_id, OLD.user_id, OLD.stream) IS NOT DISTINCT FROM (NEW.session_id, NEW.user_id, NEW.stream);
  -- What happened to a session whose status stays; NULL: nothing that feeds tell.
  news text;
BEGIN
  IF same_session AND crawler.known_status(OLD.status) = crawler.known_status(NEW.status) THEN
    news := CASE
      WHEN OLD.stop_requested_at IS NULL AND NEW.stop_requested_at IS NOT NULL THEN 'SESSION_STOP_REQUESTED'
      WHEN OLD.stall_told IS NULL AND NEW.stall_told IS NOT NULL THEN 'SESSION_STALLED'
      WHEN OLD.stall_told IS NOT NULL AND NEW.stall_told IS NULL THEN 'SESSION_RECOVERED'
      -- By a heartbeat once, and by each save that reports a limit.
      WHEN NEW.rate_limit_told AND (NOT OLD.rate_limit_told OR NEW.commits <> OLD.commits) THEN 'SESSION_RATE_LIMITED' END;
    IF news IS NOT NULL THEN
      INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
      VALUES (crawler.clock(), news, NEW.user_id, NEW.stream, NEW.session_id,
              crawler.known_status(NEW.status), crawler.known_status(NEW.status));
    END IF;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' AND NOT same_session THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), 'SESSION_DELETED', OLD.user_id, OLD.stream, OLD.session_id,
            crawler.known_status(OLD.status), crawler.known_status(OLD.status));
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
    VALUES (crawler.clock(), CASE WHEN same_session THEN 'SESSION_STATUS_CHANGED' ELSE 'SESSION_STARTED' END,
            NEW.user_id, NEW.stream, NEW.session_id,
            CASE WHEN same_session THEN crawler.known_status(OLD.status) END, crawler.known_status(NEW.status));
  END IF;
  RETURN NULL;
END
$function$;

-- crawler.refuse_truncate()
CREATE OR REPLACE FUNCTION crawler.refuse_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'TRUNCATE of %.% would go unnoticed by its watchers', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING HINT = 'Use DELETE.';
END
$function$;

-- crawler.renewal_offset()
CREATE OR REPLACE FUNCTION crawler.renewal_offset()
 RETURNS interval
 LANGUAGE plpgsql
AS $function$
BEGIN
  RETURN coalesce((SELECT r.clock_back + CASE WHEN now.at < r.ticked_at THEN r.ticked_at - now.at + interval '1 second' ELSE interval '0' END
    FROM crawler.reaper r, (SELECT crawler.clock() AS at OFFSET 0) AS now), interval '0');
END
$function$;

-- crawler.rollback_checkpoint(text,text,integer,timestamp with time zone,boolean,integer,text,text[])
CREATE OR REPLACE FUNCTION crawler.rollback_checkpoint(of_user text, of_stream text, to_version integer, to_time timestamp with time zone, dry_run boolean, expected_version integer, actor text, reach text[])
 RETURNS TABLE(outcome text, checkpoint jsonb, session jsonb, target jsonb, revision jsonb, detail integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  locked record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  owner crawler.crawl_session;
  wanted crawler.checkpoint_revision;
  oldest crawler.checkpoint_revision;
  following crawler.checkpoint_revision;
  old_count integer;
  current_version integer;
BEGIN
  -- NULL is nobody: nothing of a user out of reach is found below.
  of_user := CASE WHEN reach IS NULL OR of_user = ANY (reach) THEN of_user END;
  SELECT * INTO locked FROM crawler.lock_checkpoint(of_user, of_stream);
  stored := locked.stored;
  state := locked.state;
  current_version := CASE WHEN stored.user_id IS NULL THEN 0 ELSE state.version END;
  old_count := coalesce(stored.bookmarks_count, 0);
  IF coalesce(state.version, 0) = 0 THEN
    outcome := 'CHECKPOINT_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT * INTO oldest FROM crawler.checkpoint_revision r
  WHERE r.user_id = of_user AND r.stream = of_stream ORDER BY r.version LIMIT 1;
  IF to_version IS NOT NULL THEN
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.version = to_version;
    IF NOT FOUND THEN
      SELECT * INTO following FROM crawler.checkpoint_revision r
      WHERE r.user_id = of_user AND r.stream = of_stream AND r.version > to_version ORDER BY r.version LIMIT 1;
    END IF;
  ELSE
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.recorded_at <= to_time ORDER BY r.version DESC LIMIT 1;
  END IF;
  IF to_version > state.version THEN
    outcome := 'VERSION_AHEAD';
    detail := state.version;
  ELSIF following.follows_version < to_version THEN
    outcome := 'VERSION_SKIPPED';
    detail := following.version;
  ELSIF to_version IS NULL AND wanted.version IS NULL AND (oldest.version = 1 OR oldest.follows_version = 0) THEN
    outcome := 'BEFORE_HISTORY';
  ELSE
    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    END IF;
    IF owner.session_id IS NOT NULL AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
      outcome := 'STREAM_BUSY';
      session := to_jsonb(owner);
    ELSIF expected_version <> current_version THEN
      outcome := 'VERSION_CONFLICT';
      detail := current_version;
    ELSIF wanted.version IS NULL THEN
      outcome := 'HISTORY_EXPIRED';
      detail := oldest.version;
    ELSIF wanted.last_item_id IS NOT NULL AND NOT EXISTS (SELECT FROM public."user" u WHERE u.id = of_user) THEN
      outcome := 'USER_NOT_FOUND';
    END IF;
  END IF;
  IF outcome IS NOT NULL THEN
    RETURN NEXT;
    RETURN;
  END IF;

  target := to_jsonb(wanted);
  IF wanted.version = state.version THEN
    outcome := 'UNCHANGED';
    IF wanted.last_item_id IS NULL AND NOT dry_run THEN
      -- What was kept or saved since the clear.
      UPDATE crawler.crawl_state s SET page_token = NULL WHERE s.user_id = of_user AND s.stream = of_stream AND s.page_token IS NOT NULL;
      PERFORM crawler.forget_keys(of_user, of_stream, 0);
    END IF;
    checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
    RETURN NEXT;
    RETURN;
  END IF;
  state.page_token := wanted.page_token;
  state.head_list_id := wanted.head_list_id;
  state.anchor_list_id := wanted.anchor_list_id;
  state.complete := wanted.complete;
  state.full_pass := wanted.full_pass;
  state.full_pass_has_item := wanted.full_pass_has_item;
  state.catch_up_started_at := wanted.catch_up_started_at;
  state.catch_up_item_id := wanted.catch_up_item_id;
  state.catch_up_page_token := wanted.catch_up_page_token;
  state.catch_up_head_list_id := wanted.catch_up_head_list_id;
  state.order_key := wanted.order_key;
  -- The crawl that told this head is over; whoever resumes it may not tell another.
  state.opened_by_session_id := NULL;
  state.catch_up_opened_by := NULL;
  IF dry_run THEN
    outcome := 'DRY_RUN';
    IF wanted.last_item_id IS NOT NULL THEN
      stored.created_at := coalesce(stored.created_at, crawler.clock());
      stored.updated_at := crawler.clock();
      stored.user_id := of_user;
      stored.stream := of_stream;
      stored.last_tweet_id := wanted.last_item_id;
      stored.bookmarks_count := wanted.bookmarks_count;
      stored.last_crawled_at := coalesce(wanted.last_crawled_at, wanted.recorded_at);
      state.version := state.version + 1;
      state.written_epoch := 0;
      checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
    END IF;
    RETURN NEXT;
    RETURN;
  END IF;

  PERFORM set_config('waymark.recorded', 'yes', true);
  IF wanted.last_item_id IS NULL THEN
    DELETE FROM crawler.crawl_checkpoint k WHERE k.user_id = of_user AND k.stream = of_stream;
  ELSIF stored.user_id IS NULL THEN
    INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at)
    VALUES (of_user, of_stream, wanted.last_item_id, wanted.bookmarks_count, coalesce(wanted.last_crawled_at, wanted.recorded_at))
    RETURNING k.* INTO stored;
  ELSE
    UPDATE crawler.crawl_checkpoint k
    SET last_tweet_id = wanted.last_item_id, bookmarks_count = wanted.bookmarks_count,
        last_crawled_at = coalesce(wanted.last_crawled_at, wanted.recorded_at)
    WHERE k.user_id = of_user AND k.stream = of_stream RETURNING k.* INTO stored;
  END IF;
  PERFORM set_config('waymark.recorded', '', true);
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, written_epoch = 0, page_token = state.page_token, head_list_id = state.head_list_id,
      anchor_list_id = state.anchor_list_id, complete = state.complete, opened_by_session_id = NULL, order_key = state.order_key,
      full_pass = state.full_pass, full_pass_has_item = state.full_pass_has_item, catch_up_started_at = state.catch_up_started_at,
      catch_up_item_id = state.catch_up_item_id, catch_up_page_token = state.catch_up_page_token,
      catch_up_head_list_id = state.catch_up_head_list_id, catch_up_opened_by = NULL
  WHERE s.user_id = of_user AND s.stream = of_stream RETURNING s.* INTO state;
  PERFORM crawler.append_revision(of_user, of_stream, 'ROLLBACK', 'CHECKPOINT_ROLLED_BACK', actor, NULL, wanted.last_item_id,
    wanted.bookmarks_count, old_count, stored.last_crawled_at);
  -- What is undone is not replayed.
  PERFORM crawler.forget_keys(of_user, of_stream, CASE WHEN wanted.last_item_id IS NULL THEN 0 ELSE wanted.version END);
  outcome := 'ROLLED_BACK';
  checkpoint := CASE WHEN wanted.last_item_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
  SELECT to_jsonb(r) INTO revision FROM crawler.checkpoint_revision r
  WHERE r.user_id = of_user AND r.stream = of_stream AND r.version = state.version;
  RETURN NEXT;
END
$function$;

-- crawler.save_checkpoints(json,boolean)
CREATE OR REPLACE FUNCTION crawler.save_checkpoints(commands json, skip_busy boolean)
 RETURNS TABLE(command integer, outcome text, created boolean, checkpoint jsonb, session jsonb, detail integer)
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
  max_count CONSTANT bigint := 2147483647;
  cmd record;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  named crawler.crawl_session;
  owner crawler.crawl_session;
  seen crawler.idempotency_key;
  stored_found boolean;
  state_found boolean;
  session_found boolean;
  busy boolean;
  busy_user_id text;
  busy_stream text;
  old_count integer;
  new_count bigint;
  moved boolean;
  token_moved boolean;
  is_catch_up boolean;
  is_first_item boolean;
  -- For the search of loops: the hash of a token that differs from the one before, and whether it is kept from now on.
  token_hash bigint;
  keeps_token boolean;
  before crawler.crawl_state;
  now timestamptz;
  -- How far the lease clock is ahead.
  ahead interval;
  done integer[] := '{}';
BEGIN
  IF skip_busy THEN
    -- What can't be skipped (a row that another transaction is just inserting, a user that it deletes) fails the set
    -- soon, and its commands go alone: a whole set must not wait for one of them.
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  -- The trigger leaves alone what is recorded here.
  PERFORM set_config('waymark.recorded', 'yes', true);

  -- One alone costs less command by command.
  IF skip_busy AND json_array_length(commands) > 1 THEN
    outcome := 'SAVED';
    created := false;
    FOR command, checkpoint, session IN SELECT p.command, p.checkpoint, p.session FROM crawler.save_plain(commands) p LOOP
      RETURN NEXT;
      done := done || command;
    END LOOP;
    IF cardinality(done) = json_array_length(commands) THEN
      PERFORM set_config('waymark.recorded', '', true);
      RETURN;
    END IF;
  END IF;

  FOR cmd IN
    -- Callers meet in a set, so each command tells for itself whether its user exists for its caller. NULL is nobody.
    SELECT c.place, CASE WHEN c.out_of_reach THEN NULL ELSE c.user_id END AS user_id, c.stream, c.item_id, c.order_key, c.count, c.addition,
      c.crawled_at, c.session_id, c.page_token, c.head, c.expected_version, c.key, c.fingerprint, c.api_requests, c.rate_limit_hits,
      c.rate_limited_until, c.importing, c.actor, setting.ordering
    FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
      count integer, addition integer, crawled_at timestamptz, session_id text, page_token text, head text[],
      expected_version integer, key text, fingerprint text, api_requests integer, rate_limit_hits integer,
      rate_limited_until timestamptz, importing boolean, actor text, out_of_reach boolean)
    LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    LEFT JOIN unnest(done) AS d (place) ON d.place = c.place
    WHERE d.place IS NULL
    ORDER BY c.user_id, c.stream, c.place
  LOOP
    command := cmd.place;
    created := false;
    checkpoint := NULL;
    session := NULL;
    detail := NULL;

    -- What comes after a command that has to go alone may not overtake it.
    IF (cmd.user_id, cmd.stream) = (busy_user_id, busy_stream) THEN
      outcome := 'BUSY';
      RETURN NEXT;
      CONTINUE;
    END IF;

    -- Again where somebody made the checkpoint or the state between the look and the write.
    LOOP
      IF skip_busy THEN
        -- Nothing is waited for, so that sets may lock their rows in any order. A row that was skipped is there, to
        -- whoever looks again without locking it.
        busy := false;
        SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream FOR UPDATE SKIP LOCKED;
        stored_found := FOUND;
        SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE SKIP LOCKED;
        state_found := FOUND;
        IF NOT stored_found THEN
          -- Skipped, or made since the look.
          busy := EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream);
        END IF;
        IF NOT state_found THEN
          busy := busy OR EXISTS (SELECT FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream);
        END IF;
        IF cmd.session_id IS NOT NULL THEN
          SELECT * INTO named FROM crawler.crawl_session s
          WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE SKIP LOCKED;
          session_found := FOUND;
          IF NOT session_found THEN
            busy := busy OR EXISTS (SELECT FROM crawler.crawl_session s
              WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream);
          END IF;
        END IF;
        IF busy THEN
          outcome := 'BUSY';
          busy_user_id := cmd.user_id;
          busy_stream := cmd.stream;
          EXIT;
        END IF;
      ELSE
        SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream FOR UPDATE;
        stored_found := FOUND;
        IF stored_found THEN
          SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
          state_found := FOUND;
        ELSE
          -- As crawler.lock_checkpoint does.
          BEGIN
            SELECT * INTO state FROM crawler.crawl_state s WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
            state_found := FOUND;
            IF EXISTS (SELECT FROM crawler.crawl_checkpoint k WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream) THEN
              RAISE EXCEPTION USING ERRCODE = 'WM001';
            END IF;
          EXCEPTION WHEN SQLSTATE 'WM001' THEN
            CONTINUE;
          END;
        END IF;
        IF cmd.session_id IS NOT NULL THEN
          SELECT * INTO named FROM crawler.crawl_session s
          WHERE s.session_id = cmd.session_id AND s.user_id = cmd.user_id AND s.stream = cmd.stream FOR UPDATE;
          session_found := FOUND;
        END IF;
      END IF;
      IF cmd.session_id IS NOT NULL AND NOT session_found THEN
        outcome := 'SESSION_NOT_FOUND';
        EXIT;
      END IF;
      -- The foreign key promises the user of a stored checkpoint or session.
      IF NOT stored_found AND cmd.session_id IS NULL
        AND NOT EXISTS (SELECT FROM public."user" u WHERE u.id = cmd.user_id) THEN
        outcome := 'USER_NOT_FOUND';
        EXIT;
      END IF;
      now := crawler.clock();

      IF cmd.key IS NOT NULL THEN
        -- No unique index spans the partitions: who holds the lock of the row of crawl_state is the only one who looks
        -- and writes here. The newest: where the database's clock was set back, two may be young enough.
        SELECT * INTO seen FROM crawler.idempotency_key i
        WHERE i.user_id = cmd.user_id AND i.stream = cmd.stream AND i.key = cmd.key AND i.session_id IS NOT DISTINCT FROM cmd.session_id
          AND i.recorded_at > now - interval '24 hours'
        ORDER BY i.key_id DESC LIMIT 1;
        IF FOUND THEN
          IF seen.fingerprint <> cmd.fingerprint THEN
            outcome := 'KEY_REUSED';
          ELSE
            outcome := 'SAVED';
            detail := 1;
            created := seen.created;
            checkpoint := CASE WHEN stored_found THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
            session := CASE WHEN cmd.session_id IS NOT NULL THEN to_jsonb(named) END;
          END IF;
          EXIT;
        END IF;
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        IF coalesce(state.epoch, 0) > named.epoch THEN
          outcome := 'STALE_EPOCH';
          detail := state.epoch;
          EXIT;
        END IF;
        IF named.status <> 'running' THEN
          outcome := 'SESSION_CLOSED';
          session := to_jsonb(named);
          EXIT;
        END IF;
      ELSIF state.owner_session_id IS NOT NULL THEN
        SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
        IF FOUND AND crawler.is_alive(owner.status, owner.epoch, owner.lease_expires_at, owner.lease_seconds, owner.heartbeat_at) THEN
          outcome := 'STREAM_BUSY';
          session := to_jsonb(owner);
          EXIT;
        END IF;
      END IF;

      IF cmd.expected_version IS NOT NULL THEN
        detail := CASE WHEN stored_found THEN state.version ELSE 0 END;
        IF cmd.expected_version <> detail THEN
          outcome := 'VERSION_CONFLICT';
          EXIT;
        END IF;
        detail := NULL;
      END IF;
      is_catch_up := cmd.session_id IS NOT NULL AND coalesce(named.mode, '') = 'CATCH_UP';
      IF is_catch_up AND NOT stored_found THEN
        -- The crawl that it ran beside is gone.
        outcome := 'STALE_EPOCH';
        detail := state.epoch;
        EXIT;
      END IF;
      is_first_item := cmd.item_id IS NOT NULL AND NOT is_catch_up
        AND (NOT stored_found OR state.complete OR (state.full_pass AND NOT state.full_pass_has_item));
      -- Keys of another class (before the colon) do not compare. A full pass begins anywhere.
      IF cmd.ordering = 'ascending' AND stored_found AND cmd.item_id IS NOT NULL AND NOT is_catch_up
        AND NOT (state.full_pass AND NOT state.full_pass_has_item) AND split_part(cmd.order_key, ':', 1) = split_part(state.order_key, ':', 1)
        AND cmd.order_key COLLATE "C" < state.order_key THEN
        outcome := 'ORDER_VIOLATION';
        checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
        EXIT;
      END IF;
      old_count := CASE WHEN stored_found THEN stored.bookmarks_count ELSE 0 END;
      new_count := coalesce(cmd.count, old_count::bigint + coalesce(cmd.addition, 0));
      IF new_count > max_count OR (cmd.session_id IS NOT NULL AND (
        named.bookmarks_added::bigint + coalesce(cmd.addition, 0) > max_count
        OR named.api_requests::bigint + coalesce(cmd.api_requests, 0) > max_count
        OR named.rate_limit_hits::bigint + coalesce(cmd.rate_limit_hits, 0) > max_count)) THEN
        outcome := 'COUNT_OVERFLOW';
        EXIT;
      END IF;

      IF NOT state_found THEN
        INSERT INTO crawler.crawl_state AS s (user_id, stream) VALUES (cmd.user_id, cmd.stream) ON CONFLICT DO NOTHING RETURNING s.* INTO state;
        CONTINUE WHEN NOT FOUND;
      END IF;
      before := state;
      moved := cmd.item_id IS NOT NULL
        AND cmd.item_id IS DISTINCT FROM CASE WHEN is_catch_up THEN state.catch_up_item_id WHEN stored_found THEN stored.last_tweet_id END;
      token_moved := cmd.page_token IS DISTINCT FROM CASE WHEN is_catch_up THEN state.catch_up_page_token ELSE state.page_token END;
      IF stored_found THEN
        UPDATE crawler.crawl_checkpoint k
        SET last_tweet_id = CASE WHEN is_catch_up THEN k.last_tweet_id ELSE coalesce(cmd.item_id, k.last_tweet_id) END, bookmarks_count = new_count, last_crawled_at = coalesce(cmd.crawled_at, now)
        WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream
        RETURNING k.* INTO stored;
      ELSIF cmd.item_id IS NOT NULL THEN
        BEGIN
          INSERT INTO crawler.crawl_checkpoint AS k (user_id, stream, last_tweet_id, bookmarks_count, last_crawled_at)
          VALUES (cmd.user_id, cmd.stream, cmd.item_id, new_count, coalesce(cmd.crawled_at, now))
          RETURNING k.* INTO stored;
          created := true;
        EXCEPTION WHEN unique_violation THEN
          -- Not ON CONFLICT: the literal table has two unique indexes, it names one, and of 8 that made the same row at
          -- once 1 % failed on the other.
          CONTINUE;
        END;
      END IF;

      IF is_catch_up THEN
        state.catch_up_started_at := coalesce(state.catch_up_started_at, now);
        IF cmd.item_id IS NOT NULL THEN
          IF state.catch_up_item_id IS NULL THEN
            state.catch_up_opened_by := cmd.session_id;
          END IF;
          state.catch_up_item_id := cmd.item_id;
          IF cmd.head IS NOT NULL AND state.catch_up_opened_by = cmd.session_id THEN
            state.catch_up_head_list_id := crawler.extend_head(cmd.user_id, state.catch_up_head_list_id, cmd.head);
          END IF;
        END IF;
        state.catch_up_page_token := cmd.page_token;
      ELSE
        IF is_first_item THEN
          state.head_list_id := NULL;
          state.opened_by_session_id := cmd.session_id;
        END IF;
        IF cmd.item_id IS NOT NULL THEN
          state.complete := false;
          state.full_pass_has_item := state.full_pass;
          state.order_key := cmd.order_key;
        END IF;
        state.page_token := cmd.page_token;
        IF cmd.importing AND cmd.head IS NOT NULL THEN
          IF (SELECT l.item_ids FROM crawler.item_list l WHERE l.user_id = cmd.user_id AND l.list_id = state.anchor_list_id) IS DISTINCT FROM cmd.head THEN
            state.anchor_list_id := crawler.store_list(cmd.user_id, cmd.head);
          END IF;
          state.complete := true;
          state.head_list_id := NULL;
          state.opened_by_session_id := NULL;
          state.full_pass := false;
          state.full_pass_has_item := false;
          state.catch_up_started_at := NULL;
          state.catch_up_item_id := NULL;
          state.catch_up_page_token := NULL;
          state.catch_up_head_list_id := NULL;
          state.catch_up_opened_by := NULL;
        ELSIF cmd.head IS NOT NULL AND cmd.item_id IS NOT NULL AND state.opened_by_session_id = cmd.session_id THEN
          state.head_list_id := crawler.extend_head(cmd.user_id, state.head_list_id, cmd.head);
        END IF;
      END IF;
      state.written_epoch := CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END;
      IF stored.user_id IS NOT NULL AND (moved OR token_moved OR new_count <> old_count
        OR (before.head_list_id, before.anchor_list_id, before.complete, before.full_pass_has_item, before.catch_up_started_at, before.catch_up_head_list_id)
          IS DISTINCT FROM (state.head_list_id, state.anchor_list_id, state.complete, state.full_pass_has_item, state.catch_up_started_at,
            state.catch_up_head_list_id)) THEN
        state.version := state.version + 1;
      END IF;
      -- Also where the version stands: the order key is news where another program moved the position to this item, and
      -- a token is kept for a crawl that has no item yet.
      UPDATE crawler.crawl_state s
      SET version = state.version, page_token = state.page_token, head_list_id = state.head_list_id, anchor_list_id = state.anchor_list_id,
          complete = state.complete, opened_by_session_id = state.opened_by_session_id, written_epoch = state.written_epoch,
          order_key = state.order_key, full_pass = state.full_pass, full_pass_has_item = state.full_pass_has_item,
          catch_up_started_at = state.catch_up_started_at, catch_up_item_id = state.catch_up_item_id,
          catch_up_page_token = state.catch_up_page_token, catch_up_head_list_id = state.catch_up_head_list_id,
          catch_up_opened_by = state.catch_up_opened_by
      WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream RETURNING s.* INTO state;
      IF state.version <> before.version THEN
        PERFORM crawler.append_revision(cmd.user_id, cmd.stream, CASE WHEN cmd.importing THEN 'IMPORT' ELSE 'SAVE' END, 'CHECKPOINT_SAVED',
          cmd.actor, cmd.session_id, stored.last_tweet_id, new_count::integer, old_count, stored.last_crawled_at);
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        ahead := crawler.renewal_offset();
        token_hash := CASE WHEN token_moved THEN hashtextextended(cmd.page_token, 0) END;
        keeps_token := token_hash IS NOT NULL AND token_hash IS DISTINCT FROM named.loop_token_hash AND named.loop_steps + 1 >= named.loop_span;
        UPDATE crawler.crawl_session s
        SET bookmarks_added = s.bookmarks_added + coalesce(cmd.addition, 0),
            bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(cmd.addition, 0)),
            commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, now), last_save_at = now,
            bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
              ELSE least(s.bookmarks_since_first_save + greatest(new_count - old_count, 0), max_count) END,
            position_moved_at = CASE WHEN moved OR token_moved THEN now + ahead ELSE s.position_moved_at END,
            -- Brent's algorithm: the 1st, 2nd, 4th, 8th ... token is kept, and how often it comes back is counted.
            loop_token_hash = CASE WHEN keeps_token THEN token_hash ELSE s.loop_token_hash END,
            loop_span = CASE WHEN keeps_token THEN greatest(least(s.loop_span, 1073741823) * 2, 1) ELSE s.loop_span END,
            loop_steps = CASE WHEN keeps_token THEN 0 WHEN token_hash IS NOT NULL THEN s.loop_steps + 1 ELSE s.loop_steps END,
            loop_hits = CASE WHEN token_hash = s.loop_token_hash THEN s.loop_hits + 1 WHEN keeps_token AND s.loop_hits < 3 THEN 0
              ELSE s.loop_hits END,
            empty_saves = CASE WHEN cmd.item_id IS NULL THEN s.empty_saves + 1 ELSE 0 END,
            -- The reaper tells of a loop with its next look.
            stall_look_at = CASE WHEN (token_hash = s.loop_token_hash AND s.loop_hits = 2) OR (cmd.item_id IS NULL AND s.empty_saves = 99)
              THEN now + ahead ELSE s.stall_look_at END,
            rate_limit_told = cmd.rate_limited_until IS NOT NULL,
            api_requests = s.api_requests + coalesce(cmd.api_requests, 0),
            rate_limit_hits = s.rate_limit_hits + coalesce(cmd.rate_limit_hits, 0),
            heartbeat_at = now, rate_limited_until = cmd.rate_limited_until,
            lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', cmd.rate_limited_until) + ahead END
        WHERE s.session_id = cmd.session_id
        RETURNING s.* INTO named;
        session := to_jsonb(named);
      END IF;
      IF cmd.key IS NOT NULL THEN
        INSERT INTO crawler.idempotency_key (user_id, stream, key, fingerprint, created, recorded_at, session_id, version)
        VALUES (cmd.user_id, cmd.stream, cmd.key, cmd.fingerprint, save_checkpoints.created, now, cmd.session_id, state.version);
      END IF;
      outcome := 'SAVED';
      checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
      EXIT;
    END LOOP;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('waymark.recorded', '', true);
END
$function$;

-- crawler.save_plain(json)
CREATE OR REPLACE FUNCTION crawler.save_plain(commands json)
 RETURNS TABLE(command integer, checkpoint jsonb, session jsonb)
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH first_of_key AS MATERIALIZED (
    SELECT DISTINCT ON (c.user_id, c.stream) c.*
    FROM json_to_recordset(commands) AS c (place integer, user_id text, stream text, item_id text, order_key text,
      count integer, addition integer, crawled_at timestamptz, session_id text, page_token text, head json,
      expected_version integer, key text, api_requests integer, rate_limit_hits integer,
      rate_limited_until timestamptz, importing boolean, actor text, out_of_reach boolean)
    ORDER BY c.user_id, c.stream, c.place
  ), locked AS MATERIALIZED (
    -- OFFSET 0 keeps each a look-up of its own, which locks as it goes.
    SELECT c.place, c.user_id, c.stream, c.item_id, c.order_key, c.addition, c.crawled_at, c.session_id, c.page_token, c.api_requests, c.rate_limit_hits,
      c.rate_limited_until, c.actor, k.last_tweet_id, k.bookmarks_count AS old_count, s.page_token AS old_page_token, s.version + 1 AS version,
      s.head_list_id, s.anchor_list_id, s.full_pass, s.catch_up_started_at, s.catch_up_item_id, s.catch_up_page_token, s.catch_up_head_list_id, coalesce(c.count, k.bookmarks_count::bigint + coalesce(c.addition, 0)) AS new_count, 
      CASE WHEN c.session_id IS NULL THEN 0 ELSE n.epoch END AS epoch, n.loop_token_hash, n.loop_steps, n.loop_span,
      CASE WHEN c.page_token IS DISTINCT FROM s.page_token THEN hashtextextended(c.page_token, 0) END AS token_hash
    FROM first_of_key c
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_checkpoint k
      WHERE k.user_id = c.user_id AND k.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS k
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_state s
      WHERE s.user_id = c.user_id AND s.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS s
    LEFT JOIN LATERAL (SELECT * FROM crawler.crawl_session n
      WHERE n.session_id = c.session_id AND n.user_id = c.user_id AND n.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS n ON TRUE
    LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    WHERE c.key IS NULL AND c.head IS NULL AND c.item_id IS NOT NULL AND c.importing IS NOT TRUE AND c.out_of_reach IS NOT TRUE
      AND NOT s.complete AND s.full_pass = s.full_pass_has_item
      AND (c.expected_version IS NULL OR c.expected_version = s.version)
      AND CASE WHEN c.session_id IS NULL THEN s.owner_session_id IS NULL
        ELSE n.status = 'running' AND n.epoch >= s.epoch AND n.mode IS DISTINCT FROM 'CATCH_UP'
          AND n.bookmarks_added::bigint + coalesce(c.addition, 0) <= 2147483647
          AND n.api_requests::bigint + coalesce(c.api_requests, 0) <= 2147483647
          AND n.rate_limit_hits::bigint + coalesce(c.rate_limit_hits, 0) <= 2147483647 END
      AND (setting.ordering = 'ascending' AND split_part(c.order_key, ':', 1) = split_part(s.order_key, ':', 1)
        AND c.order_key COLLATE "C" < s.order_key) IS NOT TRUE
  ), lease AS MATERIALIZED (
    SELECT crawler.renewal_offset() AS ahead
  ), accepted AS MATERIALIZED (
    SELECT l.*, l.last_tweet_id <> l.item_id AS moved, crawler.clock() AS now, lease.ahead,
      l.token_hash IS NOT NULL AND l.token_hash IS DISTINCT FROM l.loop_token_hash AND l.loop_steps + 1 >= l.loop_span AS keeps_token
    FROM locked l CROSS JOIN lease
    WHERE l.new_count <= 2147483647
      AND (l.last_tweet_id <> l.item_id OR l.new_count <> l.old_count OR l.old_page_token IS DISTINCT FROM l.page_token)
  ), stated AS (
    UPDATE crawler.crawl_state s
    SET version = a.version, page_token = a.page_token, written_epoch = a.epoch, order_key = a.order_key
    FROM accepted a
    WHERE s.user_id = a.user_id AND s.stream = a.stream
    RETURNING a.*, to_jsonb(s) AS state
  ), revisions AS (
    INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
      page_token, head_list_id, anchor_list_id, complete, full_pass, full_pass_has_item, catch_up_started_at, catch_up_item_id,
      catch_up_page_token, catch_up_head_list_id, order_key, session_id, epoch, last_crawled_at, recorded_at)
    SELECT a.user_id, a.stream, a.version, 'SAVE', a.actor, a.item_id, a.new_count, greatest(a.new_count - a.old_count, 0),
      a.page_token, a.head_list_id, a.anchor_list_id, false, a.full_pass, a.full_pass, a.catch_up_started_at, a.catch_up_item_id,
      a.catch_up_page_token, a.catch_up_head_list_id, a.order_key, a.session_id, a.epoch, coalesce(a.crawled_at, a.now), a.now
    FROM accepted a
  ), events AS (
    INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
    SELECT a.now, 'CHECKPOINT_SAVED', a.user_id, a.stream, a.session_id, a.version, a.item_id, a.new_count
    FROM accepted a
  ), saved AS (
    UPDATE crawler.crawl_checkpoint k
    SET last_tweet_id = t.item_id, bookmarks_count = t.new_count, last_crawled_at = coalesce(t.crawled_at, t.now)
    FROM stated t
    WHERE k.user_id = t.user_id AND k.stream = t.stream
    RETURNING t.*, to_jsonb(k) || jsonb_build_object('state', t.state) AS checkpoint
  ), renewed AS (
    UPDATE crawler.crawl_session s
    SET bookmarks_added = s.bookmarks_added + coalesce(c.addition, 0),
        bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(c.addition, 0)),
        commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, c.now), last_save_at = c.now,
        bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
          ELSE least(s.bookmarks_since_first_save + greatest(c.new_count - c.old_count, 0), 2147483647) END,
        position_moved_at = CASE WHEN c.moved OR c.old_page_token IS DISTINCT FROM c.page_token THEN c.now + c.ahead ELSE s.position_moved_at END,
        -- As in save_checkpoints.
        loop_token_hash = CASE WHEN c.keeps_token THEN c.token_hash ELSE s.loop_token_hash END,
        loop_span = CASE WHEN c.keeps_token THEN greatest(least(s.loop_span, 1073741823) * 2, 1) ELSE s.loop_span END,
        loop_steps = CASE WHEN c.keeps_token THEN 0 WHEN c.token_hash IS NOT NULL THEN s.loop_steps + 1 ELSE s.loop_steps END,
        loop_hits = CASE WHEN c.token_hash = s.loop_token_hash THEN s.loop_hits + 1 WHEN c.keeps_token AND s.loop_hits < 3 THEN 0 ELSE s.loop_hits END,
        empty_saves = 0,
        stall_look_at = CASE WHEN c.token_hash = s.loop_token_hash AND s.loop_hits = 2 THEN c.now + c.ahead ELSE s.stall_look_at END,
        rate_limit_told = c.rate_limited_until IS NOT NULL,
        api_requests = s.api_requests + coalesce(c.api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(c.rate_limit_hits, 0),
        heartbeat_at = c.now, rate_limited_until = c.rate_limited_until,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(c.now + s.lease_seconds * interval '1 second', c.rate_limited_until) + c.ahead END
    FROM saved c
    WHERE s.session_id = c.session_id
    RETURNING c.place, c.checkpoint, to_jsonb(s) AS session
  )
  SELECT place, checkpoint, NULL::jsonb FROM saved WHERE session_id IS NULL
  UNION ALL
  SELECT place, checkpoint, session FROM renewed;
END
$function$;

-- crawler.see_leases(timestamp with time zone,timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.see_leases(now timestamp with time zone, lease_now timestamp with time zone, last_look timestamp with time zone, OUT reaped integer, OUT told integer, OUT is_full boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE crawler.reaper r SET ticked_at = see_leases.now, swept_up_to = crawler.find_leases(r.swept_up_to, lease_now);
  IF lease_now - last_look > interval '2.5 seconds' THEN
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may
    -- know nothing. A clock that goes forward by more looks the same.
    PERFORM crawler.end_outage(last_look, lease_now, now);
  END IF;
  SELECT l.reaped, l.told, l.is_full INTO reaped, told, is_full FROM crawler.look_at_leases(now, lease_now) l;
END
$function$;

-- crawler.set_pause(text,text,timestamp with time zone,text,text)
CREATE OR REPLACE FUNCTION crawler.set_pause(of_user text, of_stream text, new_until timestamp with time zone, new_reason text, new_paused_by text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF new_until > crawler.clock() THEN
    INSERT INTO crawler.crawl_pause AS p (user_id, stream, until, reason, paused_by)
    VALUES (of_user, of_stream, new_until, new_reason, new_paused_by)
    ON CONFLICT (user_id, stream) DO UPDATE SET until = excluded.until, reason = excluded.reason, paused_by = excluded.paused_by
    WHERE (p.until, p.reason, p.paused_by) IS DISTINCT FROM (excluded.until, excluded.reason, excluded.paused_by);
  ELSE
    DELETE FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream;
  END IF;
  RETURN FOUND;
END
$function$;

-- crawler.set_updated_at()
CREATE OR REPLACE FUNCTION crawler.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.updated_at := pg_catalog.now();
  RETURN NEW;
END
$function$;

-- crawler.stall_reason(integer,integer,integer,timestamp with time zone,timestamp with time zone,timestamp with time zone,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.stall_reason(loop_hits integer, empty_saves integer, lease_seconds integer, moved_at timestamp with time zone, lease_now timestamp with time zone, limited_until timestamp with time zone, now timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  SELECT CASE
    WHEN loop_hits >= 3 OR empty_saves >= 100 THEN 'LOOP'
    WHEN (limited_until > now) IS NOT TRUE AND moved_at < lease_now - lease_seconds * interval '5 seconds' THEN 'NO_PROGRESS' END
$function$;

-- crawler.start_crawl(text,text,text,boolean,boolean,text,integer,text,boolean,text,text,boolean,text,text[])
CREATE OR REPLACE FUNCTION crawler.start_crawl(for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text, lease integer, by_worker text, takeover boolean, key text, wanted text, ignore_pause boolean, actor text, reach text[])
 RETURNS TABLE(outcome text, session jsonb, checkpoint jsonb, plan jsonb)
 LANGUAGE plpgsql
AS $function$
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
$function$;

-- crawler.store_list(text,text[])
CREATE OR REPLACE FUNCTION crawler.store_list(of_user text, item_ids text[])
 RETURNS bigint
 LANGUAGE sql
AS $function$
  INSERT INTO crawler.item_list (user_id, item_ids, recorded_at) VALUES (of_user, item_ids, crawler.clock()) RETURNING list_id
$function$;

-- crawler.tell_end(text,timestamp with time zone,timestamp with time zone,integer,text)
CREATE OR REPLACE FUNCTION crawler.tell_end(status text, started_at timestamp with time zone, completed_at timestamp with time zone, processed integer, message text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  SELECT format(CASE crawler.known_status(status)
      WHEN 'running' THEN 'the last crawl started at %s UTC and has not ended, after %s bookmarks'
      WHEN 'completed' THEN 'the last crawl completed at %s UTC after %s bookmarks'
      WHEN 'stopped' THEN 'the last crawl was stopped at %s UTC after %s bookmarks'
      ELSE 'the last crawl failed at %s UTC after %s bookmarks' || coalesce(' (' || replace(left(nullif(message, ''), 200), '%', '%%') || ')', '') END,
    to_char(coalesce(completed_at, started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), processed)
  WHERE status IS NOT NULL
$function$;

-- crawler.tell_pause(text,text,text,text)
CREATE OR REPLACE FUNCTION crawler.tell_pause(of_user text, of_stream text, kind text, by_session text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  SELECT crawler.clock(), tell_pause.kind, s.user_id, s.stream, by_session, s.version, k.last_tweet_id, coalesce(k.bookmarks_count, 0)
  FROM crawler.crawl_state s LEFT JOIN crawler.crawl_checkpoint k ON k.user_id = s.user_id AND k.stream = s.stream
  WHERE s.user_id = of_user AND s.stream = of_stream
$function$;

-- crawler.tell_stalls()
CREATE OR REPLACE FUNCTION crawler.tell_stalls()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
DECLARE
  at CONSTANT timestamptz := crawler.clock();
BEGIN
  RETURN (SELECT l.told FROM crawler.look_at_leases(at, at + crawler.lease_offset()) l);
END
$function$;

-- crawler.tell_times(text,text,text,text,integer)
CREATE OR REPLACE FUNCTION crawler.tell_times(of_user text, of_stream text, by_session text, item_id text, bookmarks_count integer)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  SELECT crawler.clock(), 'CHECKPOINT_SAVED', s.user_id, s.stream, by_session, s.version, item_id, bookmarks_count
  FROM crawler.crawl_state s WHERE s.user_id = of_user AND s.stream = of_stream
$function$;

-- crawler.unpause_crawl(text,text,text[])
CREATE OR REPLACE FUNCTION crawler.unpause_crawl(of_user text, of_stream text, reach text[])
 RETURNS TABLE(outcome text, told boolean)
 LANGUAGE plpgsql
AS $function$
DECLARE
  ended timestamptz;
BEGIN
  told := false;
  outcome := 'USER_NOT_FOUND';
  IF EXISTS (SELECT FROM public."user" u WHERE u.id = of_user AND (reach IS NULL OR u.id = ANY (reach))) THEN
    outcome := 'UNPAUSED';
    IF EXISTS (SELECT FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream) THEN
      -- Before the pause, as pause_crawl does.
      PERFORM crawler.lock_state(of_user, of_stream);
      DELETE FROM crawler.crawl_pause p WHERE p.user_id = of_user AND p.stream = of_stream RETURNING p.until INTO ended;
      IF ended > crawler.clock() THEN
        told := true;
        PERFORM crawler.tell_pause(of_user, of_stream, 'CHECKPOINT_UNPAUSED', NULL);
      END IF;
    END IF;
  END IF;
  RETURN NEXT;
END
$function$;

-- crawler.watch_lease()
CREATE OR REPLACE FUNCTION crawler.watch_lease()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO crawler.lease_look AS l (session_id, look_at)
  VALUES (NEW.session_id, CASE WHEN TG_OP = 'INSERT' THEN NEW.lease_expires_at ELSE least(NEW.lease_expires_at, crawler.lease_clock()) END)
  ON CONFLICT (session_id) DO UPDATE SET look_at = EXCLUDED.look_at WHERE l.look_at > EXCLUDED.look_at;
  RETURN NULL;
END
$function$;

REVOKE EXECUTE ON FUNCTION crawler.drop_partition(text) FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION crawler.make_partition(text) FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION crawler.open_partition(text,interval) FROM PUBLIC;
