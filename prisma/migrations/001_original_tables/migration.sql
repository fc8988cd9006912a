-- 001: the tables of the original Python project.
--
-- A database that has them already is adopted as it is: no row and no column is dropped; what is missing (columns,
-- defaults, keys, the CHECK) is added where the rows allow it, and a table that can't be adopted is an error that says
-- why. Everything here can be run again, also after later migrations.

DO $$
BEGIN
  -- Not CREATE ... IF NOT EXISTS: that asks for the right to create even where there is nothing to do.
  IF to_regnamespace('crawler') IS NULL THEN
    CREATE SCHEMA crawler;
  END IF;

  -- Only "id" is Waymark's; whoever made this table may have given it any other column.
  IF to_regclass('public."user"') IS NULL THEN
    CREATE TABLE public."user" (id VARCHAR(255) PRIMARY KEY);
    COMMENT ON TABLE public."user" IS 'Made by Waymark, migration 001';
  END IF;

  -- A foreign key holds between columns of one kind, and crawler's user_id is text (docs/adr/0017-partitions-and-keys.md).
  DECLARE
    id_type CONSTANT text := (SELECT atttypid::regtype FROM pg_attribute
      WHERE attrelid = 'public."user"'::regclass AND attname = 'id' AND NOT attisdropped);
  BEGIN
    IF id_type NOT IN ('character varying', 'text', 'character') AND id_type NOT LIKE '%citext' THEN
      RAISE EXCEPTION 'column id of public."user" is of type %, and Waymark keeps user IDs as text', id_type
        USING HINT = 'Give Waymark a database of its own, whose public."user" holds the same IDs as text; or, where all programs'
          ' can do with it, ALTER TABLE public."user" ALTER COLUMN id TYPE text, and migrate again.';
    END IF;
  END;

  IF to_regclass('crawler.twitter_crawl_checkpoint') IS NULL THEN
    CREATE TABLE crawler.twitter_crawl_checkpoint (
      user_id         VARCHAR(255) PRIMARY KEY,
      last_tweet_id   VARCHAR(255) NOT NULL,
      last_crawled_at TIMESTAMPTZ  NOT NULL DEFAULT now(),
      bookmarks_count INTEGER      NOT NULL DEFAULT 0,
      created_at      TIMESTAMPTZ  NOT NULL DEFAULT now(),
      updated_at      TIMESTAMPTZ  NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE crawler.twitter_crawl_checkpoint IS 'Made by Waymark, migration 001';
  END IF;

  IF to_regclass('crawler.crawl_session') IS NULL THEN
    CREATE TABLE crawler.crawl_session (
      session_id           VARCHAR(255) PRIMARY KEY,
      user_id              VARCHAR(255) NOT NULL,
      started_at           TIMESTAMPTZ  NOT NULL DEFAULT now(),
      completed_at         TIMESTAMPTZ,
      status               VARCHAR(50)  NOT NULL DEFAULT 'running',
      bookmarks_processed  INTEGER      NOT NULL DEFAULT 0,
      direct_import        BOOLEAN      NOT NULL DEFAULT false,
      enable_summarization BOOLEAN      NOT NULL DEFAULT false,
      output_file_path     TEXT,
      error_message        TEXT
    );
    COMMENT ON TABLE crawler.crawl_session IS 'Made by Waymark, migration 001';
  END IF;
END
$$;

-- Columns: on a fresh database there is nothing left to do here.
DO $$
DECLARE
  wanted RECORD;
  present RECORD;
  texts CONSTANT TEXT[] := '{character varying,text}';
  times CONSTANT TEXT[] := '{timestamp with time zone,timestamp without time zone}';
  -- What a NULL becomes where Waymark needs a value. A status that nobody knows reads as failed, as unknown values do.
  filled CONSTANT JSONB := '{
    "last_crawled_at": "coalesce(updated_at, created_at, now())", "created_at": "last_crawled_at", "updated_at": "last_crawled_at",
    "started_at": "coalesce(completed_at, now())", "status": "''failed''", "bookmarks_count": "0", "bookmarks_processed": "0",
    "direct_import": "false", "enable_summarization": "false"}';
BEGIN
  -- A naive timestamp of the original project is UTC.
  PERFORM set_config('timezone', 'UTC', true);

  -- Twice: filling a column reads others, which the first pass has made sure of.
  FOR pass IN 1..2 LOOP
    FOR wanted IN
      SELECT ('crawler.' || table_name)::regclass AS relation, column_name, types, type, default_value, required
      FROM (VALUES
        (1, 'twitter_crawl_checkpoint', 'user_id', texts, 'VARCHAR(255)', NULL, true),
        (2, 'twitter_crawl_checkpoint', 'last_tweet_id', texts, 'VARCHAR(255)', NULL, true),
        (3, 'twitter_crawl_checkpoint', 'last_crawled_at', times, 'TIMESTAMPTZ', 'now()', true),
        (4, 'twitter_crawl_checkpoint', 'bookmarks_count', '{integer}', 'INTEGER', '0', true),
        (5, 'twitter_crawl_checkpoint', 'created_at', times, 'TIMESTAMPTZ', 'now()', true),
        (6, 'twitter_crawl_checkpoint', 'updated_at', times, 'TIMESTAMPTZ', 'now()', true),
        (7, 'crawl_session', 'session_id', texts, 'VARCHAR(255)', NULL, true),
        (8, 'crawl_session', 'user_id', texts, 'VARCHAR(255)', NULL, true),
        (9, 'crawl_session', 'started_at', times, 'TIMESTAMPTZ', 'now()', true),
        (10, 'crawl_session', 'completed_at', times, 'TIMESTAMPTZ', NULL, false),
        (11, 'crawl_session', 'status', texts, 'VARCHAR(50)', '''running''', true),
        (12, 'crawl_session', 'bookmarks_processed', '{integer}', 'INTEGER', '0', true),
        (13, 'crawl_session', 'direct_import', '{boolean}', 'BOOLEAN', 'false', true),
        (14, 'crawl_session', 'enable_summarization', '{boolean}', 'BOOLEAN', 'false', true),
        (15, 'crawl_session', 'output_file_path', texts, 'TEXT', NULL, false),
        (16, 'crawl_session', 'error_message', texts, 'TEXT', NULL, false)
      ) AS columns (place, table_name, column_name, types, type, default_value, required)
      ORDER BY place
    LOOP
      SELECT format_type(atttypid, NULL) AS type, attnotnull AS required, atthasdef AS has_default INTO present
      FROM pg_attribute
      WHERE attrelid = wanted.relation AND attname = wanted.column_name AND NOT attisdropped;

      IF pass = 1 AND NOT FOUND THEN
        IF wanted.required AND wanted.default_value IS NULL THEN
          RAISE EXCEPTION 'table % has no column %', wanted.relation, wanted.column_name
            USING HINT = 'Rename the column that holds it, or move the table out of schema crawler, and migrate again.';
        END IF;
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s %s', wanted.relation, wanted.column_name, wanted.type,
          CASE WHEN wanted.required THEN 'NOT NULL DEFAULT ' || wanted.default_value ELSE '' END);
      ELSIF pass = 1 AND present.type <> ALL (wanted.types) THEN
        RAISE EXCEPTION 'column %.% is of type %, not %', wanted.relation, wanted.column_name, present.type, wanted.type
          USING HINT = format('ALTER TABLE %s ALTER COLUMN %I TYPE %s, and migrate again.',
            wanted.relation, wanted.column_name, wanted.type);
      ELSIF pass = 2 THEN
        IF wanted.default_value IS NOT NULL AND NOT present.has_default THEN
          EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s',
            wanted.relation, wanted.column_name, wanted.default_value);
        END IF;
        IF wanted.required AND NOT present.required THEN
          IF filled ? wanted.column_name THEN
            EXECUTE format('UPDATE %s SET %2$I = %3$s WHERE %2$I IS NULL',
              wanted.relation, wanted.column_name, filled ->> wanted.column_name);
          END IF;
          EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', wanted.relation, wanted.column_name);
        END IF;
      END IF;
    END LOOP;
  END LOOP;
END
$$;

-- Keys and the CHECK, under whatever name an adopted table has them.
DO $$
DECLARE
  wanted  RECORD;
  orphans BIGINT;
BEGIN
  FOR wanted IN
    SELECT relation, key, user_key.attnum AS user_key, id.attnum AS user_id,
      (SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = key) AS key_number
    FROM (VALUES
        ('crawler.twitter_crawl_checkpoint'::regclass, 'user_id'),
        ('crawler.crawl_session'::regclass, 'session_id')
      ) AS tables (relation, key)
      JOIN pg_attribute AS user_key ON user_key.attrelid = relation AND user_key.attname = 'user_id'
      LEFT JOIN pg_attribute AS id ON id.attrelid = 'public."user"'::regclass AND id.attname = 'id'
  LOOP
    IF NOT EXISTS (
      SELECT FROM pg_index WHERE indrelid = wanted.relation AND indisunique AND indimmediate AND indisvalid
        AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = wanted.key_number
    ) THEN
      EXECUTE format('ALTER TABLE %s ADD %s (%I)', wanted.relation,
        CASE WHEN EXISTS (SELECT FROM pg_index WHERE indrelid = wanted.relation AND indisprimary)
          THEN 'UNIQUE' ELSE 'PRIMARY KEY' END,
        wanted.key);
    END IF;

    CONTINUE WHEN EXISTS (
      SELECT FROM pg_constraint WHERE conrelid = wanted.relation AND contype = 'f' AND confrelid = 'public."user"'::regclass
        AND conkey = ARRAY[wanted.user_key] AND confkey = ARRAY[wanted.user_id] AND confdeltype = 'c' AND convalidated
    );
    EXECUTE format('SELECT count(*) FROM %s AS t WHERE NOT EXISTS (SELECT FROM public."user" AS u WHERE u.id = t.user_id)',
      wanted.relation) INTO orphans;
    IF orphans > 0 THEN
      RAISE EXCEPTION '% rows of % name a user that public."user" does not have', orphans, wanted.relation
        USING ERRCODE = 'foreign_key_violation', HINT = format(
          'List them (SELECT * FROM %s WHERE user_id NOT IN (SELECT id FROM public."user")), add those users or move the rows'
          ' elsewhere, and migrate again.', wanted.relation);
    END IF;
    EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (user_id) REFERENCES public."user" (id) ON DELETE CASCADE', wanted.relation);
  END LOOP;

  IF NOT EXISTS (
    SELECT FROM pg_constraint WHERE conrelid = 'crawler.crawl_session'::regclass AND conname = 'crawl_session_status_is_known'
  ) THEN
    -- Rows that an adopted table holds outside the four are kept: the CHECK then binds new rows only, and verify says
    -- so. ::text, because PostgreSQL prints a CHECK on VARCHAR in one way before a dump and in another after it, and
    -- verify compares.
    ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_status_is_known
      CHECK (status::text IN ('running', 'completed', 'stopped', 'failed')) NOT VALID;
    IF EXISTS (SELECT FROM crawler.crawl_session WHERE status NOT IN ('running', 'completed', 'stopped', 'failed')) THEN
      RAISE WARNING 'crawler.crawl_session has rows whose status is none of running, completed, stopped, failed: they are kept and read as failed';
    ELSE
      ALTER TABLE crawler.crawl_session VALIDATE CONSTRAINT crawl_session_status_is_known;
    END IF;
  END IF;
END
$$;

-- To take this back, after the later ones (docs/database.md, Rolling back). Tables that Waymark adopted stay, with what was
-- added to them; tables that it made are dropped when they are empty, and keep it from going on when they are not.
-- ROLLBACK BEGIN
-- DO $$
-- DECLARE
--   made REGCLASS;
--   has_rows BOOLEAN;
-- BEGIN
--   FOR made IN
--     SELECT to_regclass(name)
--     FROM unnest(ARRAY['crawler.twitter_crawl_checkpoint', 'crawler.crawl_session', 'public."user"'])
--       WITH ORDINALITY AS tables (name, place)
--     WHERE obj_description(to_regclass(name), 'pg_class') = 'Made by Waymark, migration 001'
--     ORDER BY place
--   LOOP
--     EXECUTE format('SELECT EXISTS (SELECT FROM %s)', made) INTO has_rows;
--     IF has_rows THEN
--       RAISE EXCEPTION 'table % has rows', made USING HINT = 'Save them elsewhere and empty the table, then roll back again.';
--     END IF;
--     EXECUTE format('DROP TABLE %s', made);
--   END LOOP;
-- END
-- $$;
-- ALTER TABLE IF EXISTS crawler.crawl_session DROP CONSTRAINT IF EXISTS crawl_session_status_is_known;
-- DELETE FROM crawler.schema_migration WHERE name = '001_original_tables';
-- ROLLBACK END
