// What the migrations make, as catalog.ts reads it back. Printed by test/database/verify.test.ts: don't edit.
import type { SchemaObject } from './catalog.ts'

export const expectedSchema: readonly SchemaObject[] = [
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'bookmarks_count',
    definition: 'integer NOT NULL DEFAULT 0',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'created_at',
    definition: 'timestamp with time zone NOT NULL DEFAULT now()',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'last_crawled_at',
    definition: 'timestamp with time zone NOT NULL DEFAULT now()',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'last_tweet_id',
    definition: 'character varying(255) NOT NULL',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'stream',
    definition: "character varying(255) NOT NULL DEFAULT 'twitter/bookmarks'::character varying",
  },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint',
    name: 'updated_at',
    definition: 'timestamp with time zone NOT NULL DEFAULT now()',
  },
  { kind: 'column', table: 'crawler.crawl_checkpoint', name: 'user_id', definition: 'character varying(255) NOT NULL' },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'bookmarks_count', definition: 'DEFAULT 0' },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'created_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'last_crawled_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'last_tweet_id', definition: '' },
  {
    kind: 'column',
    table: 'crawler.crawl_checkpoint_other',
    name: 'stream',
    definition: "DEFAULT 'twitter/bookmarks'::character varying",
  },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'updated_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.crawl_checkpoint_other', name: 'user_id', definition: '' },
  { kind: 'column', table: 'crawler.crawl_session', name: 'bookmarks_added', definition: 'integer NOT NULL DEFAULT 0' },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'bookmarks_processed',
    definition: 'integer NOT NULL DEFAULT 0',
  },
  { kind: 'column', table: 'crawler.crawl_session', name: 'completed_at', definition: 'timestamp with time zone' },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'direct_import',
    definition: 'boolean NOT NULL DEFAULT false',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'enable_summarization',
    definition: 'boolean NOT NULL DEFAULT false',
  },
  { kind: 'column', table: 'crawler.crawl_session', name: 'error_message', definition: 'text' },
  { kind: 'column', table: 'crawler.crawl_session', name: 'output_file_path', definition: 'text' },
  { kind: 'column', table: 'crawler.crawl_session', name: 'session_id', definition: 'character varying(255) NOT NULL' },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'started_at',
    definition: 'timestamp with time zone NOT NULL DEFAULT now()',
  },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'status',
    definition: "character varying(50) NOT NULL DEFAULT 'running'::character varying",
  },
  {
    kind: 'column',
    table: 'crawler.crawl_session',
    name: 'stream',
    definition: "character varying(255) NOT NULL DEFAULT 'twitter/bookmarks'::character varying",
  },
  { kind: 'column', table: 'crawler.crawl_session', name: 'user_id', definition: 'character varying(255) NOT NULL' },
  { kind: 'column', table: 'crawler.feed', name: 'generation', definition: 'uuid NOT NULL DEFAULT gen_random_uuid()' },
  { kind: 'column', table: 'crawler.feed', name: 'only_row', definition: 'boolean NOT NULL DEFAULT true' },
  {
    kind: 'column',
    table: 'crawler.feed',
    name: 'started_at',
    definition: 'timestamp with time zone NOT NULL DEFAULT now()',
  },
  {
    kind: 'column',
    table: 'crawler.feed_event',
    name: 'event_id',
    definition: 'bigint NOT NULL GENERATED ALWAYS AS IDENTITY',
  },
  { kind: 'column', table: 'crawler.feed_event', name: 'kind', definition: 'character varying(50) NOT NULL' },
  { kind: 'column', table: 'crawler.feed_event', name: 'occurred_at', definition: 'timestamp with time zone NOT NULL' },
  { kind: 'column', table: 'crawler.feed_event', name: 'previous_status', definition: 'character varying(50)' },
  { kind: 'column', table: 'crawler.feed_event', name: 'session_id', definition: 'character varying(255)' },
  { kind: 'column', table: 'crawler.feed_event', name: 'status', definition: 'character varying(50)' },
  { kind: 'column', table: 'crawler.feed_event', name: 'stream', definition: 'character varying(255) NOT NULL' },
  { kind: 'column', table: 'crawler.feed_event', name: 'user_id', definition: 'character varying(255) NOT NULL' },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'bookmarks_count', definition: 'DEFAULT 0' },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'created_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'last_crawled_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'last_tweet_id', definition: '' },
  {
    kind: 'column',
    table: 'crawler.twitter_crawl_checkpoint',
    name: 'stream',
    definition: "DEFAULT 'twitter/bookmarks'::character varying",
  },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'updated_at', definition: 'DEFAULT now()' },
  { kind: 'column', table: 'crawler.twitter_crawl_checkpoint', name: 'user_id', definition: '' },
  {
    kind: 'constraint',
    table: 'crawler.crawl_checkpoint',
    name: 'crawl_checkpoint_user_id_fkey',
    definition: 'FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE',
  },
  {
    kind: 'constraint',
    table: 'crawler.crawl_checkpoint',
    name: 'crawl_checkpoint_user_id_stream_key',
    definition: 'UNIQUE (user_id, stream)',
  },
  {
    kind: 'constraint',
    table: 'crawler.crawl_session',
    name: 'crawl_session_pkey',
    definition: 'PRIMARY KEY (session_id)',
  },
  {
    kind: 'constraint',
    table: 'crawler.crawl_session',
    name: 'crawl_session_status_is_known',
    definition:
      "CHECK (((status)::text = ANY (ARRAY['running'::text, 'completed'::text, 'stopped'::text, 'failed'::text])))",
  },
  {
    kind: 'constraint',
    table: 'crawler.crawl_session',
    name: 'crawl_session_user_id_fkey',
    definition: 'FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE',
  },
  { kind: 'constraint', table: 'crawler.feed', name: 'feed_only_row_check', definition: 'CHECK (only_row)' },
  { kind: 'constraint', table: 'crawler.feed', name: 'feed_pkey', definition: 'PRIMARY KEY (only_row)' },
  { kind: 'constraint', table: 'crawler.feed_event', name: 'feed_event_pkey', definition: 'PRIMARY KEY (event_id)' },
  {
    kind: 'constraint',
    table: 'crawler.twitter_crawl_checkpoint',
    name: 'twitter_crawl_checkpoint_pkey',
    definition: 'PRIMARY KEY (user_id)',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.clock()',
    definition: 'fe8230aef71cf4bdbee71fc50a820923fe5d0c1fb46631c5cb1d53545e943ea8',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.known_status(text)',
    definition: '4a7e1478736480a653adc5c0d33366fb72bc96f8c588ef1fb3e0e928b52e4ed6',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.record_session_event()',
    definition: '5ce6df96b838726dcb4bf39c2c058a3bc17e0e750f42fc2525458102ca7e0ac8',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.refuse_truncate()',
    definition: 'e6ad4bf49aeeea479b2f2fe9dcb3c6a83eeec482e0a833662586cad93fc74c54',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.save_checkpoints(text[],text[],text[],integer[],integer[],timestamp with time zone[],text[],boolean)',
    definition: 'b6977940bbb0985177fc89320f7a2d8f9e10e8aa71e632b1c1d7a2d50e15118d',
  },
  {
    kind: 'function',
    table: null,
    name: 'crawler.set_updated_at()',
    definition: 'd08b62192f7a0436b69a4be7e0a92669c82f1ae87b4caed1969f9d9b715ef5cc',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_checkpoint_other',
    name: 'crawler.crawl_checkpoint_other_crawled',
    definition:
      'CREATE INDEX crawl_checkpoint_other_crawled ON crawler.crawl_checkpoint_other USING btree (last_crawled_at, user_id, stream)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_checkpoint_other',
    name: 'crawler.crawl_checkpoint_other_other_platform_crawled',
    definition:
      "CREATE INDEX crawl_checkpoint_other_other_platform_crawled ON crawler.crawl_checkpoint_other USING btree (last_crawled_at, user_id, stream) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]))",
  },
  {
    kind: 'index',
    table: 'crawler.crawl_checkpoint_other',
    name: 'crawler.crawl_checkpoint_other_platform_crawled',
    definition:
      "CREATE INDEX crawl_checkpoint_other_platform_crawled ON crawler.crawl_checkpoint_other USING btree (split_part((stream)::text, '/'::text, 1), last_crawled_at, user_id, stream)",
  },
  {
    kind: 'index',
    table: 'crawler.crawl_checkpoint_other',
    name: 'crawler.crawl_checkpoint_other_stream_crawled',
    definition:
      'CREATE INDEX crawl_checkpoint_other_stream_crawled ON crawler.crawl_checkpoint_other USING btree (stream, last_crawled_at, user_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_other_platform_started',
    definition:
      "CREATE INDEX crawl_session_other_platform_started ON crawler.crawl_session USING btree (started_at, session_id) WHERE (split_part((stream)::text, '/'::text, 1) <> ALL (ARRAY['twitter'::text, 'reddit'::text, 'linkedin'::text, 'mastodon'::text, 'bluesky'::text, 'youtube'::text]))",
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_platform_started',
    definition:
      "CREATE INDEX crawl_session_platform_started ON crawler.crawl_session USING btree (split_part((stream)::text, '/'::text, 1), started_at, session_id)",
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_started',
    definition: 'CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_status_started',
    definition:
      'CREATE INDEX crawl_session_status_started ON crawler.crawl_session USING btree (crawler.known_status((status)::text), started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_stream_started',
    definition:
      'CREATE INDEX crawl_session_stream_started ON crawler.crawl_session USING btree (stream, started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_user_started',
    definition:
      'CREATE INDEX crawl_session_user_started ON crawler.crawl_session USING btree (user_id, started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_user_status_started',
    definition:
      'CREATE INDEX crawl_session_user_status_started ON crawler.crawl_session USING btree (user_id, crawler.known_status((status)::text), started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.crawl_session',
    name: 'crawler.crawl_session_user_stream_started',
    definition:
      'CREATE INDEX crawl_session_user_stream_started ON crawler.crawl_session USING btree (user_id, stream, started_at, session_id)',
  },
  {
    kind: 'index',
    table: 'crawler.twitter_crawl_checkpoint',
    name: 'crawler.twitter_crawl_checkpoint_crawled',
    definition:
      'CREATE INDEX twitter_crawl_checkpoint_crawled ON crawler.twitter_crawl_checkpoint USING btree (last_crawled_at, user_id, stream)',
  },
  {
    kind: 'table',
    table: 'crawler.crawl_checkpoint',
    name: 'crawler.crawl_checkpoint',
    definition: 'PARTITION BY LIST (stream)',
  },
  {
    kind: 'table',
    table: 'crawler.crawl_checkpoint_other',
    name: 'crawler.crawl_checkpoint_other',
    definition: 'PARTITION OF crawler.crawl_checkpoint DEFAULT',
  },
  { kind: 'table', table: 'crawler.crawl_session', name: 'crawler.crawl_session', definition: '' },
  { kind: 'table', table: 'crawler.feed', name: 'crawler.feed', definition: '' },
  { kind: 'table', table: 'crawler.feed_event', name: 'crawler.feed_event', definition: '' },
  {
    kind: 'table',
    table: 'crawler.twitter_crawl_checkpoint',
    name: 'crawler.twitter_crawl_checkpoint',
    definition: "PARTITION OF crawler.crawl_checkpoint FOR VALUES IN ('twitter/bookmarks')",
  },
  {
    kind: 'trigger',
    table: 'crawler.crawl_checkpoint',
    name: 'zz_set_updated_at',
    definition:
      'CREATE TRIGGER zz_set_updated_at BEFORE UPDATE ON crawler.crawl_checkpoint FOR EACH ROW EXECUTE FUNCTION crawler.set_updated_at()',
  },
  {
    kind: 'trigger',
    table: 'crawler.crawl_session',
    name: 'crawl_session_feed',
    definition:
      'CREATE TRIGGER crawl_session_feed AFTER INSERT OR DELETE OR UPDATE ON crawler.crawl_session FOR EACH ROW EXECUTE FUNCTION crawler.record_session_event()',
  },
  {
    kind: 'trigger',
    table: 'crawler.crawl_session',
    name: 'crawl_session_no_truncate',
    definition:
      'CREATE TRIGGER crawl_session_no_truncate BEFORE TRUNCATE ON crawler.crawl_session FOR EACH STATEMENT EXECUTE FUNCTION crawler.refuse_truncate()',
  },
]
