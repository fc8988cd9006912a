import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { describe, expect, it } from 'vitest'
import { readCatalog } from '../../src/database/catalog.ts'
import { migrate } from '../../src/database/migrate.ts'
import { readMigrations } from '../../src/database/migration-files.ts'
import { verifySchema } from '../../src/database/verify.ts'
import { createTestDatabase, withClient } from '../support/database.ts'

const expectedSchemaFile = fileURLToPath(new URL('../../src/database/expected-schema.ts', import.meta.url))

describe('the expected schema', () => {
  it('is what the migrations make (after a change: npx vitest run --config test/vitest.config.ts test/database/verify.test.ts -u)', async () => {
    await using database = await createTestDatabase()
    const objects = (await withClient(database.url, readCatalog)).map(({ kind, table, name, definition }) => ({
      kind,
      table,
      name,
      definition,
    }))
    const source = `// What the migrations make, as catalog.ts reads it back. Printed by test/database/verify.test.ts: don't edit.
      import type { SchemaObject } from './catalog.ts'

      export const expectedSchema: readonly SchemaObject[] = ${JSON.stringify(objects)}`
    const options = await resolveConfig(expectedSchemaFile)
    await expect(await format(source, { ...options, filepath: expectedSchemaFile })).toMatchFileSnapshot(
      expectedSchemaFile,
    )
  })
})

describe('verify', () => {
  it('finds no difference in a migrated database, nor in what its owner has added', async () => {
    await using database = await createTestDatabase()
    await database.query(`
      CREATE TABLE crawler.theirs (id INTEGER);
      ALTER TABLE crawler.crawl_session ADD COLUMN theirs TEXT;
      CREATE INDEX theirs_too ON crawler.crawl_session (output_file_path);
      ALTER TABLE public."user" ADD COLUMN email TEXT NOT NULL`)
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([])
  })

  it('asks for migrate where nothing is there yet, naming tables and not each of their columns', async () => {
    await using database = await createTestDatabase('empty')
    const differences = await verifySchema({ databaseUrl: database.url })
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
      'a disabled trigger',
      'ALTER TABLE crawler.crawl_checkpoint DISABLE TRIGGER zz_set_updated_at',
      'Trigger zz_set_updated_at of crawler.crawl_checkpoint is disabled: ALTER TABLE crawler.crawl_checkpoint ENABLE TRIGGER zz_set_updated_at.',
    ],
  ])('names %s, and its remedy mends it', async (_what, damage, difference) => {
    await using database = await createTestDatabase()
    await database.query(damage)
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([difference])
    await database.query(/: ((?:ALTER|CREATE|DROP) .*)\.$/.exec(difference)?.[1] ?? '')
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([])
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
  ])('names %s, and applying the migrations once more mends it', async (_what, damage, difference) => {
    await using database = await createTestDatabase()
    await database.query(damage)
    expect(await verifySchema({ databaseUrl: database.url })).toContainEqual(expect.stringContaining(difference))
    for (const { sql } of await readMigrations()) await database.query(sql)
    await migrate({ databaseUrl: database.url })
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([])
  })

  it('names an edited or unknown migration beside the differences', async () => {
    await using database = await createTestDatabase()
    await database.query(`UPDATE crawler.schema_migration SET sha256 = 'x' WHERE name = '002_streams'`)
    await database.query('DROP INDEX crawler.crawl_session_started')
    expect(await verifySchema({ databaseUrl: database.url })).toEqual([
      expect.stringContaining('Migration 002_streams was edited'),
      expect.stringContaining('Index crawler.crawl_session_started of crawler.crawl_session is missing: CREATE INDEX'),
    ])
  })

  it('says so where public."user" has no id', async () => {
    await using database = await createTestDatabase()
    await database.query('ALTER TABLE public."user" RENAME id TO uid')
    expect(await verifySchema({ databaseUrl: database.url })).toContainEqual(
      expect.stringContaining('Column id of public."user" is missing'),
    )
  })

  it('fails with one clear line where it cannot connect', async () => {
    await expect(verifySchema({ databaseUrl: 'postgresql://ada@127.0.0.1:1/none' })).rejects.toThrow(
      /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1/,
    )
  })
})
