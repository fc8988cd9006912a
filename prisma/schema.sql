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
  recorded_at timestamp with time zone NOT NULL
);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_anchor_list_fkey FOREIGN KEY (user_id, anchor_list_id) REFERENCES crawler.item_list(user_id, list_id);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_head_list_fkey FOREIGN KEY (user_id, head_list_id) REFERENCES crawler.item_list(user_id, list_id);

ALTER TABLE crawler.checkpoint_revision ADD CONSTRAINT checkpoint_revision_pkey PRIMARY KEY (user_id, stream, version);

CREATE INDEX checkpoint_revision_anchor ON crawler.checkpoint_revision USING btree (anchor_list_id) WHERE (anchor_list_id IS NOT NULL);

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
  rate_limit_hits integer NOT NULL DEFAULT 0
);

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_pkey PRIMARY KEY (session_id);

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_status_is_known CHECK (((status)::text = ANY (ARRAY['running'::text, 'completed'::text, 'stopped'::text, 'failed'::text])));

ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE;

CREATE INDEX crawl_session_completed ON crawler.crawl_session USING btree (COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_duration_completed ON crawler.crawl_session USING btree (crawler.duration_step(started_at, completed_at), completed_at, started_at, session_id) WHERE (completed_at IS NOT NULL);

CREATE INDEX crawl_session_duration_started ON crawler.crawl_session USING btree (crawler.duration_step(started_at, completed_at), started_at, session_id) WHERE (completed_at IS NOT NULL);

CREATE INDEX crawl_session_leased ON crawler.crawl_session USING btree (session_id) WHERE (((status)::text = 'running'::text) AND (epoch > 0));

CREATE INDEX crawl_session_other_platform_started ON crawler.crawl_session USING btree (started_at, session_id) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]));

CREATE INDEX crawl_session_platform_running ON crawler.crawl_session USING btree (split_part((stream)::text, '/'::text, 1), started_at, session_id) WHERE (crawler.known_status((status)::text) = 'running'::text);

CREATE INDEX crawl_session_platform_started ON crawler.crawl_session USING btree (split_part((stream)::text, '/'::text, 1), started_at, session_id);

CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id);

CREATE INDEX crawl_session_status_completed ON crawler.crawl_session USING btree (crawler.known_status((status)::text), COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_status_started ON crawler.crawl_session USING btree (crawler.known_status((status)::text), started_at, session_id);

CREATE INDEX crawl_session_stream_completed ON crawler.crawl_session USING btree (stream, COALESCE(completed_at, '-infinity'::timestamp with time zone), started_at, session_id);

CREATE INDEX crawl_session_stream_started ON crawler.crawl_session USING btree (stream, started_at, session_id);

CREATE INDEX crawl_session_user_started ON crawler.crawl_session USING btree (user_id, started_at, session_id);

CREATE INDEX crawl_session_user_status_started ON crawler.crawl_session USING btree (user_id, crawler.known_status((status)::text), started_at, session_id);

CREATE INDEX crawl_session_user_stream_started ON crawler.crawl_session USING btree (user_id, stream, started_at, session_id);

CREATE TRIGGER crawl_session_feed AFTER INSERT OR DELETE OR UPDATE ON crawler.crawl_session FOR EACH ROW EXECUTE FUNCTION crawler.record_session_event();

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
  order_key text COLLATE "C"
);

ALTER TABLE crawler.crawl_state ADD CONSTRAINT crawl_state_pkey PRIMARY KEY (user_id, stream);

CREATE INDEX crawl_state_anchor ON crawler.crawl_state USING btree (anchor_list_id) WHERE (anchor_list_id IS NOT NULL);

CREATE INDEX crawl_state_head ON crawler.crawl_state USING btree (head_list_id) WHERE (head_list_id IS NOT NULL);

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
  key_id bigint NOT NULL DEFAULT nextval('crawler.idempotency_key_id'::regclass)
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
  ticked_at timestamp with time zone NOT NULL DEFAULT now()
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
    IF FOUND AND crawler.is_live(named.status, named.epoch, named.lease_expires_at) THEN
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
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', s.rate_limited_until) END
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

-- crawler.end_session(text,text,integer,text,text,text,text[])
CREATE OR REPLACE FUNCTION crawler.end_session(of_session text, new_status text, processed integer, output_path text, message text, actor text, reach text[])
 RETURNS TABLE(outcome text, session jsonb, detail integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  named crawler.crawl_session;
  stored crawler.crawl_checkpoint;
  state crawler.crawl_state;
  anchor bigint;
  now timestamptz;
BEGIN
  SELECT * INTO named FROM crawler.crawl_session s WHERE s.session_id = of_session AND (reach IS NULL OR s.user_id = ANY (reach));
  IF NOT FOUND THEN
    outcome := 'SESSION_NOT_FOUND';
    RETURN NEXT;
    RETURN;
  END IF;
  IF new_status = 'completed' AND named.status = 'running' THEN
    SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = named.user_id AND k.stream = named.stream FOR UPDATE;
    state := crawler.lock_state(named.user_id, named.stream);
    IF stored.user_id IS NULL THEN
      -- The first save may have been under way at the first look; the owner row waited for it.
      SELECT * INTO stored FROM crawler.crawl_checkpoint k WHERE k.user_id = named.user_id AND k.stream = named.stream;
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
    IF stored.user_id IS NOT NULL AND NOT state.complete THEN
      anchor := coalesce(state.head_list_id, crawler.store_list(named.user_id, ARRAY[stored.last_tweet_id::text]));
      PERFORM crawler.record_change(named.user_id, named.stream, 'COMPLETE', 'CHECKPOINT_SAVED', actor, of_session, named.epoch,
        stored.last_tweet_id, stored.bookmarks_count, stored.bookmarks_count, stored.last_crawled_at,
        NULL, NULL, anchor, true, NULL, state.order_key);
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
    UPDATE crawler.crawl_session s
    SET bookmarks_processed = greatest(s.bookmarks_processed, processed),
        api_requests = s.api_requests + coalesce(more_api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(more_rate_limit_hits, 0),
        heartbeat_at = now, rate_limited_until = limited_until,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', limited_until) END
    WHERE s.session_id = of_session RETURNING s.* INTO named;
    outcome := 'WRITTEN';
    session := to_jsonb(named);
  END IF;
  RETURN NEXT;
END
$function$;

-- crawler.is_live(text,integer,timestamp with time zone)
CREATE OR REPLACE FUNCTION crawler.is_live(status text, epoch integer, lease_expires_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
AS $function$ SELECT status = 'running' AND epoch > 0 AND lease_expires_at > crawler.clock() $function$;

-- crawler.is_made_id(text)
CREATE OR REPLACE FUNCTION crawler.is_made_id(session_id text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
RETURN (session_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'::text);

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

-- crawler.reap()
CREATE OR REPLACE FUNCTION crawler.reap()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
    -- Reapers look each second, and the shortest lease is 5 s: of a gap of half of it a crawler that renews in time may
    -- know nothing. Nobody could renew while nobody served: whoever was alive then is given a whole lease from now.
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
$function$;

-- crawler.record_change(text,text,text,text,text,text,integer,text,integer,integer,timestamp with time zone,text,bigint,bigint,boolean,text,text)
CREATE OR REPLACE FUNCTION crawler.record_change(of_user text, of_stream text, source text, kind text, actor text, by_session text, by_epoch integer, item_id text, new_count integer, old_count integer, crawled_at timestamp with time zone, new_page_token text, new_head bigint, new_anchor bigint, is_complete boolean, opened_by text, new_order_key text)
 RETURNS crawler.crawl_state
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  state crawler.crawl_state;
  recorded_at CONSTANT timestamptz := crawler.clock();
BEGIN
  UPDATE crawler.crawl_state s
  SET version = s.version + 1, page_token = new_page_token, head_list_id = new_head, anchor_list_id = new_anchor,
      complete = is_complete, opened_by_session_id = opened_by, written_epoch = by_epoch, order_key = new_order_key
  -- order_key is of collation "C", which a call hands to all of its arguments: without this the index would not be
  -- used.
  WHERE s.user_id = of_user COLLATE "default" AND s.stream = of_stream COLLATE "default"
  RETURNING s.* INTO state;
  INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, actor, last_item_id, bookmarks_count, bookmarks_added,
    page_token, head_list_id, anchor_list_id, complete, order_key, session_id, epoch, last_crawled_at, recorded_at)
  VALUES (of_user, of_stream, state.version, source, actor, item_id, new_count, greatest(new_count - old_count, 0),
    new_page_token, new_head, new_anchor, is_complete, new_order_key, by_session, by_epoch, crawled_at, recorded_at);
  INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, version, last_item_id, bookmarks_count)
  VALUES (recorded_at, kind, of_user, of_stream, by_session, state.version, item_id, new_count);
  RETURN state;
END
$function$;

-- crawler.record_clear(text,text,text,text,text,integer,integer)
CREATE OR REPLACE FUNCTION crawler.record_clear(of_user text, of_stream text, source text, actor text, by_session text, by_epoch integer, old_count integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM crawler.record_change(of_user, of_stream, source, 'CHECKPOINT_CLEARED', actor, by_session, by_epoch, NULL, 0, old_count, NULL,
    NULL, NULL, NULL, false, NULL, NULL);
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
  same_key CONSTANT boolean := TG_OP = 'UPDATE' AND (OLD.user_id, OLD.stream) = (NEW.user_id, NEW.stream);
BEGIN
  IF current_setting('waymark.recorded', true) = 'yes' THEN
    RETURN NULL;
  END IF;
  -- Another key is a clear of the old one and a save of the new one.
  IF TG_OP <> 'INSERT' AND NOT same_key THEN
    PERFORM crawler.lock_state(OLD.user_id, OLD.stream);
    PERFORM crawler.record_clear(OLD.user_id, OLD.stream, 'EXTERNAL', NULL, NULL, 0, OLD.bookmarks_count);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    state := crawler.lock_state(NEW.user_id, NEW.stream);
    IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id OR OLD.bookmarks_count <> NEW.bookmarks_count
      OR state.page_token IS NOT NULL OR state.complete THEN
      IF NOT same_key OR OLD.last_tweet_id <> NEW.last_tweet_id THEN
        state.order_key := NULL;
      END IF;
      IF NOT same_key OR state.complete THEN
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      END IF;
      PERFORM crawler.record_change(NEW.user_id, NEW.stream, 'EXTERNAL', 'CHECKPOINT_SAVED', NULL, NULL, 0, NEW.last_tweet_id,
        NEW.bookmarks_count, CASE WHEN same_key THEN OLD.bookmarks_count ELSE 0 END, NEW.last_crawled_at,
        NULL, state.head_list_id, state.anchor_list_id, false, state.opened_by_session_id, state.order_key);
    ELSE
      UPDATE crawler.crawl_state s SET written_epoch = 0 WHERE s.user_id = NEW.user_id AND s.stream = NEW.stream AND s.written_epoch <> 0;
    END IF;
  END IF;
  RETURN NULL;
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
BEGIN
  IF same_session AND crawler.known_status(OLD.status) = crawler.known_status(NEW.status) THEN
    IF OLD.stop_requested_at IS NULL AND NEW.stop_requested_at IS NOT NULL THEN
      INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream, session_id, previous_status, status)
      VALUES (crawler.clock(), 'SESSION_STOP_REQUESTED', NEW.user_id, NEW.stream, NEW.session_id,
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
  ELSE
    SELECT * INTO wanted FROM crawler.checkpoint_revision r
    WHERE r.user_id = of_user AND r.stream = of_stream AND r.recorded_at <= to_time ORDER BY r.version DESC LIMIT 1;
  END IF;
  IF to_version > state.version THEN
    outcome := 'VERSION_AHEAD';
    detail := state.version;
  ELSIF to_version IS NULL AND wanted.version IS NULL AND oldest.version = 1 THEN
    outcome := 'BEFORE_HISTORY';
  ELSE
    IF state.owner_session_id IS NOT NULL THEN
      SELECT * INTO owner FROM crawler.crawl_session s WHERE s.session_id = state.owner_session_id FOR UPDATE;
    END IF;
    IF owner.session_id IS NOT NULL AND crawler.is_live(owner.status, owner.epoch, owner.lease_expires_at) THEN
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
    checkpoint := CASE WHEN stored.user_id IS NOT NULL THEN crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state)) END;
    RETURN NEXT;
    RETURN;
  END IF;
  state.page_token := wanted.page_token;
  state.head_list_id := wanted.head_list_id;
  state.anchor_list_id := wanted.anchor_list_id;
  state.complete := wanted.complete;
  state.order_key := wanted.order_key;
  -- The crawl that told this head is over; whoever resumes it may not tell another.
  state.opened_by_session_id := NULL;
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
  state := crawler.record_change(of_user, of_stream, 'ROLLBACK', 'CHECKPOINT_ROLLED_BACK', actor, NULL, 0, wanted.last_item_id,
    wanted.bookmarks_count, old_count, stored.last_crawled_at,
    state.page_token, state.head_list_id, state.anchor_list_id, state.complete, state.opened_by_session_id, state.order_key);
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
  before crawler.crawl_state;
  now timestamptz;
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
        WHERE i.user_id = cmd.user_id AND i.stream = cmd.stream AND i.key = cmd.key AND i.recorded_at > now - interval '24 hours'
        ORDER BY i.key_id DESC LIMIT 1;
        IF FOUND THEN
          IF seen.fingerprint <> cmd.fingerprint THEN
            outcome := 'KEY_REUSED';
          ELSIF NOT stored_found THEN
            outcome := 'KEY_SPENT';
          ELSE
            outcome := 'SAVED';
            created := seen.created;
            checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
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
        IF FOUND AND crawler.is_live(owner.status, owner.epoch, owner.lease_expires_at) THEN
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
      -- Keys of another class (before the colon) do not compare.
      IF cmd.ordering = 'ascending' AND stored_found AND split_part(cmd.order_key, ':', 1) = split_part(state.order_key, ':', 1)
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
      moved := NOT stored_found OR stored.last_tweet_id <> cmd.item_id;
      IF stored_found THEN
        UPDATE crawler.crawl_checkpoint k
        SET last_tweet_id = cmd.item_id, bookmarks_count = new_count, last_crawled_at = coalesce(cmd.crawled_at, now)
        WHERE k.user_id = cmd.user_id AND k.stream = cmd.stream
        RETURNING k.* INTO stored;
      ELSE
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

      before := state;
      IF created OR state.complete THEN
        state.head_list_id := NULL;
        state.opened_by_session_id := cmd.session_id;
      END IF;
      state.complete := false;
      state.page_token := cmd.page_token;
      state.order_key := cmd.order_key;
      IF cmd.importing AND cmd.head IS NOT NULL THEN
        IF (SELECT l.item_ids FROM crawler.item_list l WHERE l.user_id = cmd.user_id AND l.list_id = state.anchor_list_id) IS DISTINCT FROM cmd.head THEN
          state.anchor_list_id := crawler.store_list(cmd.user_id, cmd.head);
        END IF;
        state.complete := true;
        state.head_list_id := NULL;
        state.opened_by_session_id := NULL;
      ELSIF cmd.head IS NOT NULL AND state.head_list_id IS NULL AND state.opened_by_session_id = cmd.session_id THEN
        state.head_list_id := crawler.store_list(cmd.user_id, cmd.head);
      END IF;
      IF moved OR new_count <> old_count
        OR (before.page_token, before.head_list_id, before.anchor_list_id, before.complete)
          IS DISTINCT FROM (state.page_token, state.head_list_id, state.anchor_list_id, state.complete) THEN
        state := crawler.record_change(cmd.user_id, cmd.stream, CASE WHEN cmd.importing THEN 'IMPORT' ELSE 'SAVE' END, 'CHECKPOINT_SAVED',
          cmd.actor, cmd.session_id, CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END,
          cmd.item_id, new_count::integer, old_count, stored.last_crawled_at,
          state.page_token, state.head_list_id, state.anchor_list_id, state.complete, state.opened_by_session_id, state.order_key);
      ELSE
        -- The order key is news where another program moved the position to this item.
        UPDATE crawler.crawl_state s
        SET order_key = state.order_key, written_epoch = CASE WHEN cmd.session_id IS NULL THEN 0 ELSE named.epoch END
        WHERE s.user_id = cmd.user_id AND s.stream = cmd.stream RETURNING s.* INTO state;
      END IF;

      IF cmd.session_id IS NOT NULL THEN
        UPDATE crawler.crawl_session s
        SET bookmarks_added = s.bookmarks_added + coalesce(cmd.addition, 0),
            bookmarks_processed = greatest(s.bookmarks_processed, s.bookmarks_added + coalesce(cmd.addition, 0)),
            commits = s.commits + 1, first_save_at = coalesce(s.first_save_at, now), last_save_at = now,
            bookmarks_since_first_save = CASE WHEN s.first_save_at IS NULL THEN 0
              ELSE least(s.bookmarks_since_first_save + greatest(new_count - old_count, 0), max_count) END,
            position_moved_at = CASE WHEN moved OR before.page_token IS DISTINCT FROM state.page_token THEN now ELSE s.position_moved_at END,
            api_requests = s.api_requests + coalesce(cmd.api_requests, 0),
            rate_limit_hits = s.rate_limit_hits + coalesce(cmd.rate_limit_hits, 0),
            heartbeat_at = now, rate_limited_until = cmd.rate_limited_until,
            lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(now + s.lease_seconds * interval '1 second', cmd.rate_limited_until) END
        WHERE s.session_id = cmd.session_id
        RETURNING s.* INTO named;
        session := to_jsonb(named);
      END IF;
      IF cmd.key IS NOT NULL THEN
        INSERT INTO crawler.idempotency_key (user_id, stream, key, fingerprint, created, recorded_at)
        VALUES (cmd.user_id, cmd.stream, cmd.key, cmd.fingerprint, save_checkpoints.created, now);
      END IF;
      outcome := 'SAVED';
      checkpoint := crawler.checkpoint_json(to_jsonb(stored), to_jsonb(state));
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
      s.head_list_id, s.anchor_list_id, coalesce(c.count, k.bookmarks_count::bigint + coalesce(c.addition, 0)) AS new_count, 
      CASE WHEN c.session_id IS NULL THEN 0 ELSE n.epoch END AS epoch
    FROM first_of_key c
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_checkpoint k
      WHERE k.user_id = c.user_id AND k.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS k
    CROSS JOIN LATERAL (SELECT * FROM crawler.crawl_state s
      WHERE s.user_id = c.user_id AND s.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS s
    LEFT JOIN LATERAL (SELECT * FROM crawler.crawl_session n
      WHERE n.session_id = c.session_id AND n.user_id = c.user_id AND n.stream = c.stream OFFSET 0 FOR UPDATE SKIP LOCKED) AS n ON TRUE
    LEFT JOIN crawler.stream_setting setting ON setting.stream = c.stream
    WHERE c.key IS NULL AND c.head IS NULL AND c.importing IS NOT TRUE AND c.out_of_reach IS NOT TRUE
      AND NOT s.complete
      AND (c.expected_version IS NULL OR c.expected_version = s.version)
      AND CASE WHEN c.session_id IS NULL THEN s.owner_session_id IS NULL
        ELSE n.status = 'running' AND n.epoch >= s.epoch
          AND n.bookmarks_added::bigint + coalesce(c.addition, 0) <= 2147483647
          AND n.api_requests::bigint + coalesce(c.api_requests, 0) <= 2147483647
          AND n.rate_limit_hits::bigint + coalesce(c.rate_limit_hits, 0) <= 2147483647 END
      AND (setting.ordering = 'ascending' AND split_part(c.order_key, ':', 1) = split_part(s.order_key, ':', 1)
        AND c.order_key COLLATE "C" < s.order_key) IS NOT TRUE
  ), accepted AS MATERIALIZED (
    SELECT l.*, l.last_tweet_id <> l.item_id AS moved, crawler.clock() AS now
    FROM locked l
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
      page_token, head_list_id, anchor_list_id, complete, order_key, session_id, epoch, last_crawled_at, recorded_at)
    SELECT a.user_id, a.stream, a.version, 'SAVE', a.actor, a.item_id, a.new_count, greatest(a.new_count - a.old_count, 0),
      a.page_token, a.head_list_id, a.anchor_list_id, false, a.order_key, a.session_id, a.epoch, coalesce(a.crawled_at, a.now), a.now
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
        position_moved_at = CASE WHEN c.moved OR c.old_page_token IS DISTINCT FROM c.page_token THEN c.now ELSE s.position_moved_at END,
        api_requests = s.api_requests + coalesce(c.api_requests, 0),
        rate_limit_hits = s.rate_limit_hits + coalesce(c.rate_limit_hits, 0),
        heartbeat_at = c.now, rate_limited_until = c.rate_limited_until,
        lease_expires_at = CASE WHEN s.epoch > 0 THEN greatest(c.now + s.lease_seconds * interval '1 second', c.rate_limited_until) END
    FROM saved c
    WHERE s.session_id = c.session_id
    RETURNING c.place, c.checkpoint, to_jsonb(s) AS session
  )
  SELECT place, checkpoint, NULL::jsonb FROM saved WHERE session_id IS NULL
  UNION ALL
  SELECT place, checkpoint, session FROM renewed;
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

-- crawler.start_session(text,text,text,boolean,boolean,text,integer,text,boolean,text,text[])
CREATE OR REPLACE FUNCTION crawler.start_session(for_user text, for_stream text, new_id text, direct boolean, summarize boolean, output_path text, lease integer, by_worker text, takeover boolean, key text, reach text[])
 RETURNS TABLE(outcome text, session jsonb, checkpoint jsonb)
 LANGUAGE plpgsql
AS $function$
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
$function$;

-- crawler.store_list(text,text[])
CREATE OR REPLACE FUNCTION crawler.store_list(of_user text, item_ids text[])
 RETURNS bigint
 LANGUAGE sql
AS $function$
  INSERT INTO crawler.item_list (user_id, item_ids, recorded_at) VALUES (of_user, item_ids, crawler.clock()) RETURNING list_id
$function$;

REVOKE EXECUTE ON FUNCTION crawler.drop_partition(text) FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION crawler.make_partition(text) FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION crawler.open_partition(text,interval) FROM PUBLIC;
