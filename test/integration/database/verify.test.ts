import { describe, expect, it } from 'vitest'
import { repair } from '../../../src/database/migrations/migrate.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { runCommand } from '../../support/server-process.ts'

/** The two lists that decide: sentences with remedies, and what works. */
async function verify(database: TestDatabase) {
  const { differences, notes } = await verifySchema({ databaseUrl: database.url })
  return { differences, notes }
}

const clean = { differences: [], notes: [] }

describe('verify', () => {
  it('finds nothing in a migrated database', async () => {
    await using database = await createTestDatabase()
    expect(await verifySchema({ databaseUrl: database.url })).toEqual({ ...clean, diff: '' })
  })

  it('notes what its owner has added, and exits 0', async () => {
    await using database = await createTestDatabase()
    await database.query(`
      CREATE TABLE crawler.theirs (id INTEGER PRIMARY KEY);
      ALTER TABLE crawler.crawl_session ADD COLUMN theirs TEXT CONSTRAINT short CHECK (length(theirs) < 9);
      CREATE INDEX theirs_too ON crawler.crawl_session (output_file_path);
      CREATE FUNCTION crawler.theirs() RETURNS integer LANGUAGE sql AS 'SELECT 1';
      ALTER TABLE crawler.crawl_session ADD CONSTRAINT keeps_users FOREIGN KEY (user_id) REFERENCES public."user" (id);
      ALTER TABLE crawler.crawl_session ALTER COLUMN end_reason TYPE TEXT;
      ALTER TABLE crawler.crawl_state SET (fillfactor = 50);
      ALTER TABLE public."user" ADD COLUMN email TEXT NOT NULL`)
    const { differences, notes } = await verify(database)
    expect(differences).toEqual([])
    expect(notes).toEqual([
      'Foreign key keeps_users of crawler.crawl_session keeps users from being deleted: ALTER TABLE crawler.crawl_session DROP CONSTRAINT keeps_users (another one cascades).',
      'Column end_reason of crawler.crawl_session is "text", which holds more.',
      'Setting fillfactor of crawler.crawl_state is not SET (fillfactor=70).',
      "Column theirs of crawler.crawl_session is not Waymark's.",
      `Constraint FOREIGN KEY (user_id) REFERENCES public."user"(id) of crawler.crawl_session is not Waymark's.`,
      "Constraint CHECK ((length(theirs) < 9)) of crawler.crawl_session is not Waymark's.",
      "Index crawler.theirs_too of crawler.crawl_session is not Waymark's.",
      "Table crawler.theirs is not Waymark's.",
      "Function crawler.theirs() is not Waymark's.",
    ])
    const { code, stdout } = await runCommand(['verify'], { DATABASE_URL: database.url })
    expect(code).toBe(0)
    expect(stdout.split('\n')).toEqual([
      'the schema is as it should be',
      '',
      'Works, but worth knowing:',
      ...notes.map((note) => `- ${note}`),
      '',
    ])
  })

  it('shows a difference as a diff from prisma/schema.sql to the database, and exits 1', async () => {
    await using database = await createTestDatabase()
    await database.query(`
      ALTER TABLE crawler.crawl_session ALTER COLUMN output_file_path TYPE VARCHAR(10);
      DROP INDEX crawler.api_key_client;
      CREATE OR REPLACE FUNCTION crawler.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NEW;
END
$$`)
    const { code, stdout } = await runCommand(['verify'], { DATABASE_URL: database.url })
    expect(code).toBe(1)
    expect(stdout.slice(stdout.indexOf('---'))).toBe(`--- prisma/schema.sql
+++ the database
@@ Index crawler.api_key_client of crawler.api_key @@
-CREATE INDEX api_key_client ON crawler.api_key USING btree (client);
@@ Column output_file_path of crawler.crawl_session @@
-  output_file_path text
+  output_file_path character varying(10)
@@ Function crawler.set_updated_at() @@
  LANGUAGE plpgsql
 AS $function$
 BEGIN
-  NEW.updated_at := pg_catalog.now();
   RETURN NEW;
 END
 $function$;
`)
  })

  it('asks for migrate where nothing is there yet, naming tables and not each of their columns', async () => {
    await using database = await createTestDatabase('empty')
    const { differences } = await verify(database)
    expect(differences).toContain('Migration 001_original_tables is not applied: run migrate.')
    expect(differences).toContain('Table crawler.crawl_session is missing: run migrate.')
    expect(differences).toContain('Table public."user" is missing: run migrate, or restore it from a backup.')
    expect(differences.filter((difference) => !difference.includes('run migrate'))).toEqual([])
    expect(differences.filter((difference) => difference.startsWith('Column'))).toEqual([])
  })

  // Damage, what verify says of it, and where its remedy is a statement, that statement mends it.
  it.each([
    [
      'a missing column',
      'ALTER TABLE crawler.crawl_session DROP COLUMN error_message',
      'Column error_message of crawler.crawl_session is missing: ALTER TABLE crawler.crawl_session ADD COLUMN error_message text.',
    ],
    [
      'a narrower column',
      'ALTER TABLE crawler.crawl_session ALTER COLUMN output_file_path TYPE VARCHAR(10)',
      'Column output_file_path of crawler.crawl_session is different: "character varying(10)" instead of "text": ALTER TABLE crawler.crawl_session ALTER COLUMN output_file_path TYPE text.',
    ],
    [
      'a column that may be NULL and has no default',
      'ALTER TABLE crawler.crawl_session ALTER COLUMN direct_import DROP NOT NULL, ALTER COLUMN direct_import DROP DEFAULT',
      'Column direct_import of crawler.crawl_session is different: "boolean" instead of "boolean NOT NULL DEFAULT false": ALTER TABLE crawler.crawl_session ALTER COLUMN direct_import SET NOT NULL, ALTER COLUMN direct_import SET DEFAULT false.',
    ],
    [
      "a default of the literal table's",
      'ALTER TABLE crawler.twitter_crawl_checkpoint ALTER COLUMN stream DROP DEFAULT',
      `Column stream of crawler.twitter_crawl_checkpoint is different: "" instead of "DEFAULT 'twitter/bookmarks'::character varying": ALTER TABLE crawler.twitter_crawl_checkpoint ALTER COLUMN stream SET DEFAULT 'twitter/bookmarks'::character varying.`,
    ],
    [
      'a missing foreign key',
      'ALTER TABLE crawler.crawl_session DROP CONSTRAINT crawl_session_user_id_fkey',
      'Constraint FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE of crawler.crawl_session is missing: ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE.',
    ],
    [
      'a missing CHECK',
      'ALTER TABLE crawler.crawl_session DROP CONSTRAINT crawl_session_status_is_known',
      `Constraint CHECK (((status)::text = ANY (ARRAY['running'::text, 'completed'::text, 'stopped'::text, 'failed'::text]))) of crawler.crawl_session is missing: ALTER TABLE crawler.crawl_session ADD CONSTRAINT crawl_session_status_is_known CHECK (((status)::text = ANY (ARRAY['running'::text, 'completed'::text, 'stopped'::text, 'failed'::text]))).`,
    ],
    [
      'a missing primary key',
      'ALTER TABLE crawler.twitter_crawl_checkpoint DROP CONSTRAINT twitter_crawl_checkpoint_pkey',
      'Constraint PRIMARY KEY (user_id) of crawler.twitter_crawl_checkpoint is missing: ALTER TABLE crawler.twitter_crawl_checkpoint ADD CONSTRAINT twitter_crawl_checkpoint_pkey PRIMARY KEY (user_id).',
    ],
    [
      'a missing index',
      'DROP INDEX crawler.crawl_session_started',
      'Index crawler.crawl_session_started of crawler.crawl_session is missing: CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id).',
    ],
    [
      'a different index',
      'DROP INDEX crawler.crawl_session_started; CREATE INDEX crawl_session_started ON crawler.crawl_session (started_at)',
      'Index crawler.crawl_session_started of crawler.crawl_session is different: "CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at)" instead of "CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id)": DROP INDEX crawler.crawl_session_started; CREATE INDEX crawl_session_started ON crawler.crawl_session USING btree (started_at, session_id).',
    ],
    [
      'a missing trigger',
      'DROP TRIGGER zz_set_updated_at ON crawler.crawl_checkpoint',
      'Trigger zz_set_updated_at of crawler.crawl_checkpoint is missing: CREATE TRIGGER zz_set_updated_at BEFORE UPDATE ON crawler.crawl_checkpoint FOR EACH ROW EXECUTE FUNCTION crawler.set_updated_at().',
    ],
    [
      'a function that everybody may call',
      'GRANT EXECUTE ON FUNCTION crawler.drop_partition(text) TO PUBLIC',
      'The statement REVOKE EXECUTE ON FUNCTION crawler.drop_partition(text) FROM PUBLIC is missing: REVOKE EXECUTE ON FUNCTION crawler.drop_partition(text) FROM PUBLIC.',
    ],
    [
      'a disabled trigger',
      'ALTER TABLE crawler.crawl_checkpoint DISABLE TRIGGER zz_set_updated_at',
      'Trigger zz_set_updated_at of crawler.crawl_checkpoint is disabled: ALTER TABLE crawler.crawl_checkpoint ENABLE TRIGGER zz_set_updated_at.',
    ],
  ])('names %s, and its remedy mends it', async (_what, damage, difference) => {
    await using database = await createTestDatabase()
    await database.query(damage)
    expect(await verify(database)).toEqual({ differences: [difference], notes: [] })
    await database.query(/: ((?:ALTER|CREATE|DROP|REVOKE) .*)\.$/.exec(difference)?.[1] ?? '')
    expect(await verify(database)).toEqual(clean)
  })

  it.each([
    ['a dropped table', 'DROP TABLE crawler.crawl_checkpoint_other', 'Table crawler.crawl_checkpoint_other is missing'],
    [
      'a detached partition',
      'ALTER TABLE crawler.crawl_checkpoint DETACH PARTITION crawler.crawl_checkpoint_other; DROP TABLE crawler.crawl_checkpoint_other; ALTER TABLE crawler.crawl_checkpoint DETACH PARTITION crawler.twitter_crawl_checkpoint',
      'Table crawler.twitter_crawl_checkpoint is different',
    ],
    [
      'a dropped function',
      'DROP FUNCTION crawler.set_updated_at() CASCADE',
      'Function crawler.set_updated_at() is missing',
    ],
    [
      'an edited function',
      'CREATE OR REPLACE FUNCTION crawler.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$',
      'Function crawler.set_updated_at() is different',
    ],
    ['a dropped schema', 'DROP SCHEMA crawler CASCADE', 'Table crawler.crawl_session is missing'],
  ])('names %s, and repair mends it', async (_what, damage, difference) => {
    await using database = await createTestDatabase()
    await database.query(damage)
    expect((await verify(database)).differences).toContainEqual(expect.stringContaining(difference))
    await repair({ databaseUrl: database.url })
    expect(await verify(database)).toEqual(clean)
  })

  it('names an edited or unknown migration beside the differences', async () => {
    await using database = await createTestDatabase()
    await database.query(`UPDATE crawler.schema_migration SET sha256 = 'x' WHERE name = '002_streams'`)
    await database.query('DROP INDEX crawler.crawl_session_started')
    expect((await verify(database)).differences).toEqual([
      expect.stringContaining('Migration 002_streams was edited'),
      expect.stringContaining('Index crawler.crawl_session_started of crawler.crawl_session is missing: CREATE INDEX'),
    ])
  })

  it('says so where public."user" has no id', async () => {
    await using database = await createTestDatabase()
    await database.query('ALTER TABLE public."user" RENAME id TO uid')
    expect((await verify(database)).differences).toContainEqual(
      expect.stringContaining('Column id of public."user" is missing'),
    )
  })

  it('fails with one clear line where it cannot connect', async () => {
    await expect(verifySchema({ databaseUrl: 'postgresql://ada@127.0.0.1:1/none' })).rejects.toThrow(
      /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1/,
    )
  })
})
