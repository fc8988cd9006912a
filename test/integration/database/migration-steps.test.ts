import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

const patience = { timeout: 20_000 }
const runner = fileURLToPath(new URL('../../../dist/database/migrations/migrate.js', import.meta.url))

describe('the steps of a migration', () => {
  let database: TestDatabase
  let folder: string
  beforeEach(async () => {
    database = await createTestDatabase('empty')
    folder = await mkdtemp(join(tmpdir(), 'waymark-steps-'))
    await mkdir(join(folder, '001_a'))
    await writeFile(
      join(folder, '001_a', 'migration.sql'),
      'CREATE TABLE crawler.t AS SELECT n, n % 2 AS half FROM generate_series(1, 1000) n;',
    )
    await writeFile(
      join(folder, '001_a', 'steps.sql'),
      `-- A comment; with a semicolon.
CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON crawler.t (n);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_half
  ON crawler.t (n, half);
VACUUM crawler.t;
`,
    )
  })
  afterEach(async () => {
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const options = () => ({ databaseUrl: database.url, directory: folder })
  const indexes = () =>
    database.query(
      `SELECT c.relname AS name, indisvalid AS valid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
       WHERE indrelid = to_regclass('crawler.t') ORDER BY 1`,
    )
  const done = () =>
    database.query<{ name: string; steps_done: number }>('SELECT name, steps_done FROM crawler.schema_migration')

  it('run one by one outside a transaction, after migration.sql, and each is noted', async () => {
    expect(await migrate(options())).toEqual({ applied: ['001_a'], present: [], functions: [] })
    expect(await indexes()).toEqual([
      { name: 't_half', valid: true },
      { name: 't_n', valid: true },
    ])
    expect(await done()).toEqual([{ name: '001_a', steps_done: 3 }])
    expect(await migrate(options())).toEqual({ applied: [], present: ['001_a'], functions: [] })
  })

  it('that fail keep what was done before them, and are repeated: an index that was left invalid is made anew', async () => {
    // What stands twice keeps the unique index from being made, and leaves it invalid.
    await writeFile(
      join(folder, '001_a', 'migration.sql'),
      'CREATE TABLE crawler.t AS SELECT 1 AS n, 1 AS half FROM generate_series(1, 2);',
    )
    await expect(migrate(options())).rejects.toThrow(
      /^Step 2 of 3 of migration 001_a failed; those before it are done, and it can be repeated: could not create unique index "t_half"/,
    )
    expect(await indexes()).toEqual([
      { name: 't_half', valid: false },
      { name: 't_n', valid: true },
    ])
    expect(await done()).toEqual([{ name: '001_a', steps_done: 1 }])
    await database.query('TRUNCATE crawler.t')
    expect(await migrate(options())).toEqual({ applied: ['001_a'], present: [], functions: [] })
    expect(await indexes()).toEqual([
      { name: 't_half', valid: true },
      { name: 't_n', valid: true },
    ])
    expect(await done()).toEqual([{ name: '001_a', steps_done: 3 }])
  })

  it('are finished by the next migrator where one was killed (kill -9) in the middle of a step', async () => {
    await withClient(database.url, async (holder) => {
      const program = `import { migrate } from ${JSON.stringify(runner)}
        await migrate(${JSON.stringify(options())})`
      const migrator = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
      // From now on: it may have ended before it is killed.
      const exited = once(migrator, 'exit')
      await expect.poll(() => done().catch(() => []), patience).not.toEqual([])
      // Each step waits for this: CREATE INDEX CONCURRENTLY for whoever writes the table.
      await holder.query('BEGIN; INSERT INTO crawler.t VALUES (0, 0)')
      const building = () =>
        database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE%CONCURRENTLY%' AND state = 'active'`,
        )
      const isWaiting = async () => (await building()).length > 0 || (await done())[0]?.steps_done === 3
      await expect.poll(isWaiting, patience).toBe(true)
      migrator.kill('SIGKILL')
      await exited
      const another = Promise.all([migrate(options()), migrate(options()), migrate(options())])
      // Its server process goes on with its statement, and has the turn until then.
      await holder.query('COMMIT')
      await another
    })
    expect(await indexes()).toEqual([
      { name: 't_half', valid: true },
      { name: 't_n', valid: true },
    ])
    expect(await done()).toEqual([{ name: '001_a', steps_done: 3 }])
  })

  it('are done once by several migrators at once, none of which waits for another’s snapshot', async () => {
    const reports = await Promise.all(Array.from({ length: 5 }, () => migrate(options())))
    expect(reports.flatMap(({ applied }) => applied)).toEqual(['001_a'])
    expect(await done()).toEqual([{ name: '001_a', steps_done: 3 }])
  })

  it('hold no writer up while an index is made on a table with rows', async () => {
    await withClient(database.url, async (writer) => {
      await migrate({ ...options(), directory: folder })
      await database.query('DROP INDEX crawler.t_n')
      await database.query('UPDATE crawler.schema_migration SET steps_done = 0')
      await writer.query(`BEGIN; INSERT INTO crawler.t VALUES (-1, 0)`)
      const migrating = migrate(options())
      const building = () =>
        database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'`,
        )
      await expect.poll(building, patience).toHaveLength(1)
      await withClient(database.url, async (other) => {
        await other.query(`SET lock_timeout = '1s'`)
        await other.query('INSERT INTO crawler.t VALUES (-2, 0)')
      })
      await writer.query('COMMIT')
      await migrating
    })
    expect(await indexes()).toHaveLength(2)
  })
})
