import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { readFunctions } from '../../../src/database/migrations/function-files.ts'
import { packagedMigrations, readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { StartupError } from '../../../src/errors/startup-error.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'

const migrations = await readMigrations()
const names = migrations.map(({ name }) => name)
const functions = (await readFunctions()).files.map(({ name }) => name)
const recorded = 'SELECT name, sha256 FROM crawler.schema_migration ORDER BY name'

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'waymark-migrations-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

async function folderOf(files: Record<string, string>): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder()
  for (const [name, sql] of Object.entries(files)) {
    await mkdir(join(folder.path, name))
    await writeFile(join(folder.path, name, 'migration.sql'), sql)
  }
  return folder
}

function startupError(message: RegExp): unknown {
  return expect.objectContaining({ name: StartupError.name, message: expect.stringMatching(message) as string })
}

describe('migrate', () => {
  it('makes everything in an empty database and records each name and SHA-256', async () => {
    await using database = await createTestDatabase('empty')
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: names, present: [], functions })
    expect(await database.query(recorded)).toEqual(migrations.map(({ name, sha256 }) => ({ name, sha256 })))
    expect(await verifySchema({ databaseUrl: database.url })).toEqual({ differences: [], notes: [], diff: '' })
  })

  it('does nothing the second time', async () => {
    await using database = await createTestDatabase()
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: [], present: names, functions: [] })
  })

  it('lets several that start at once take turns, and all succeed', async () => {
    await using database = await createTestDatabase('empty')
    const reports = await Promise.all(Array.from({ length: 6 }, () => migrate({ databaseUrl: database.url })))
    expect(reports.flatMap(({ applied }) => applied).sort()).toEqual(names)
    for (const { applied, present } of reports) expect([...applied, ...present].sort()).toEqual(names)
  })

  it('applies what is new to a database that has the older ones', async () => {
    await using database = await createTestDatabase('empty')
    await using older = await temporaryFolder()
    await cp(join(packagedMigrations, '001_original_tables'), join(older.path, '001_original_tables'), {
      recursive: true,
    })
    expect(await migrate({ databaseUrl: database.url, directory: older.path })).toEqual({
      applied: names.slice(0, 1),
      present: [],
      functions: [],
    })
    expect(await migrate({ databaseUrl: database.url })).toEqual({
      applied: names.slice(1),
      present: names.slice(0, 1),
      functions,
    })
  })

  it('rolls a failing migration back as a whole, names its line, and keeps those before it', async () => {
    await using database = await createTestDatabase('empty')
    await using folder = await folderOf({
      '001_good': 'CREATE TABLE crawler.good ()',
      '002_bad': 'CREATE TABLE crawler.bad ();\n\nSELECT nonsense;',
    })
    await expect(migrate({ databaseUrl: database.url, directory: folder.path })).rejects.toEqual(
      startupError(/^Migration 002_bad failed and changed nothing \(line 3\): column "nonsense" does not exist\.$/),
    )
    expect(
      await database.query(
        `SELECT to_regclass('crawler.good') IS NULL AS good, to_regclass('crawler.bad') IS NULL AS bad`,
      ),
    ).toEqual([{ good: false, bad: true }])
    expect(await database.query('SELECT name FROM crawler.schema_migration')).toEqual([{ name: '001_good' }])
  })

  it('names a migration that was edited after it had been applied', async () => {
    await using database = await createTestDatabase('empty')
    await using before = await folderOf({ '001_a': 'SELECT 1;\n', '002_b': 'SELECT 2;\n' })
    await using after = await folderOf({ '001_a': 'SELECT 1;\n', '002_b': 'SELECT 3;\n' })
    await migrate({ databaseUrl: database.url, directory: before.path })
    await expect(migrate({ databaseUrl: database.url, directory: after.path })).rejects.toEqual(
      startupError(/^Migration 002_b was edited after it was applied to this database: restore/),
    )
  })

  it('takes a checkout with \\r\\n line ends for the same migration', async () => {
    await using database = await createTestDatabase('empty')
    await using unix = await folderOf({ '001_a': 'SELECT 1;\nSELECT 2;\n' })
    await using windows = await folderOf({ '001_a': 'SELECT 1;\r\nSELECT 2;\r\n' })
    await migrate({ databaseUrl: database.url, directory: unix.path })
    expect(await migrate({ databaseUrl: database.url, directory: windows.path })).toEqual({
      applied: [],
      present: ['001_a'],
      functions: [],
    })
  })

  it('refuses a database that a newer version has migrated', async () => {
    await using database = await createTestDatabase()
    await database.query(`INSERT INTO crawler.schema_migration VALUES ('999_from_the_future', 'x')`)
    await expect(migrate({ databaseUrl: database.url })).rejects.toEqual(
      startupError(
        /^The database has migration 999_from_the_future, which this version of Waymark does not know: start the newer/,
      ),
    )
  })

  it('refuses a database whose record has a gap', async () => {
    await using database = await createTestDatabase()
    await database.query(`DELETE FROM crawler.schema_migration WHERE name = '001_original_tables'`)
    await expect(migrate({ databaseUrl: database.url })).rejects.toEqual(
      startupError(/^The database has migration 002_streams but not 001_original_tables before it: /),
    )
  })

  it.each([
    ['a gap', { '001_a': '', '003_c': '' }, /003_c: expected a folder named 002_name here/],
    ['a number used twice', { '001_a': '', '001_b': '' }, /001_b: expected a folder named 002_name here/],
    ['another name', { first: '' }, /first: expected a folder named 001_name here/],
  ])('refuses a folder of migrations with %s', async (_what, files, message) => {
    await using folder = await folderOf(files)
    await expect(readMigrations(folder.path)).rejects.toEqual(startupError(message))
  })

  it('says what is missing where there is no such folder, or a migration.sql is gone', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.path, '001_a'))
    await expect(readMigrations(folder.path)).rejects.toEqual(startupError(/001_a\/migration\.sql: restore it/))
    await expect(readMigrations(join(folder.path, 'none'))).rejects.toEqual(
      startupError(/^Cannot read the migrations in/),
    )
  })
})

describe('migrate, where something is in its way', () => {
  it('gives up on a table that others use, after lockTimeoutMs', async () => {
    await using database = await createTestDatabase('empty')
    await using folder = await folderOf({
      '001_a': 'CREATE TABLE crawler.t ()',
      '002_b': 'ALTER TABLE crawler.t ADD c INTEGER',
    })
    await using first = await folderOf({ '001_a': 'CREATE TABLE crawler.t ()' })
    await migrate({ databaseUrl: database.url, directory: first.path })
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.t IN ACCESS SHARE MODE')
      await expect(migrate({ databaseUrl: database.url, directory: folder.path, lockTimeoutMs: 50 })).rejects.toEqual(
        startupError(/^Migration 002_b failed and changed nothing: .* lock timeout.*try again/),
      )
    })
    expect(await migrate({ databaseUrl: database.url, directory: folder.path })).toMatchObject({ applied: ['002_b'] })
  })

  it('gives up on another process that migrates, after turnTimeoutMs', async () => {
    await using database = await createTestDatabase('empty')
    await withClient(database.url, async (client) => {
      await client.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('waymark migrate', 0))`)
      await expect(migrate({ databaseUrl: database.url, turnTimeoutMs: 50 })).rejects.toEqual(
        startupError(/^Another process migrates this database: try again/),
      )
    })
  })

  it('is not stopped by a statement_timeout meant for requests', async () => {
    await using database = await createTestDatabase('empty')
    await using folder = await folderOf({ '001_slow': 'SELECT pg_sleep(0.2)' })
    await database.query(`ALTER DATABASE ${database.name} SET statement_timeout = '100ms'`)
    expect(await migrate({ databaseUrl: database.url, directory: folder.path })).toMatchObject({
      applied: ['001_slow'],
    })
  })

  it('says where it tried to connect and what to check, and not the password', async () => {
    const error: unknown = await migrate({ databaseUrl: 'postgresql://ada:s3cret@127.0.0.1:1/none' }).catch(
      (cause: unknown) => cause,
    )
    expect(error).toEqual(
      startupError(
        /^Cannot connect to PostgreSQL at 127\.0\.0\.1:1 \(database none, role ada\): .*ECONNREFUSED.*DATABASE_URL/,
      ),
    )
    expect(String(error)).not.toContain('s3cret')
  })

  it('says so where the database is read-only', async () => {
    await using database = await createTestDatabase('empty')
    await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`)
    await expect(migrate({ databaseUrl: database.url })).rejects.toEqual(
      startupError(/point DATABASE_URL at the primary\.$/),
    )
  })
})
