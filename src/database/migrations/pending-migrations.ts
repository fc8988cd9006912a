import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { type FunctionSet, readFunctions } from './function-files.ts'
import { compareSets, readRecordedSet, type SetChanges } from './function-set.ts'
import { explain } from './migration-errors.ts'
import { type Migration, readMigrations, type RecordedMigration } from './migration-files.ts'
import { isTakenOver } from './takeover.ts'

/** This version's migrations and functions. */
export interface WantedSchema {
  readonly migrations: readonly Migration[]
  readonly functions: FunctionSet | undefined
}

/** The folders with the texts. */
export interface SchemaFolders {
  /** The folder of the NNN_name/migration.sql. Default: this package's. */
  readonly directory?: string
  /**
   * The folder of the <name>.sql of functions and triggers. Default: this package's, or none if `directory` is given.
   */
  readonly functionsDirectory?: string
}

export async function readWanted({ directory, functionsDirectory }: SchemaFolders = {}): Promise<WantedSchema> {
  const hasFunctions = functionsDirectory !== undefined || directory === undefined
  return {
    migrations: await readMigrations(directory),
    functions: hasFunctions ? await readFunctions(functionsDirectory) : undefined,
  }
}

export interface Pending {
  /** Migrations that are recorded with all of their steps, in order. */
  readonly applied: readonly string[]
  /** Migrations that are not recorded, or not with all of their steps, in order. */
  readonly migrations: readonly Migration[]
  /** undefined: this version has no functions. */
  readonly functions: SetChanges | undefined
  readonly isPending: boolean
}

/**
 * Finds what a database lacks. It needs only SELECT on the tables that record it.
 * @throws StartupError unless the recorded migrations are the first ones of the wanted, unchanged; and if a newer
 *   version was applied
 */
export async function readPending(client: pg.ClientBase, wanted: WantedSchema): Promise<Pending> {
  const recorded = await readRecorded(client)
  const rows = isTakenOver(recorded) ? [] : recorded
  rows.forEach((row, index) => judge(row, index, wanted.migrations))
  const stepsDone = new Map(rows.map((row) => [row.name, row.steps_done]))
  const migrations = wanted.migrations.filter(({ name, steps }) => (stepsDone.get(name) ?? -1) < steps.length)
  const functions = wanted.functions && compareSets(wanted.functions, await readRecordedSet(client))
  return {
    applied: rows.map(({ name }) => name).filter((name) => !migrations.some((migration) => migration.name === name)),
    migrations,
    functions,
    isPending: migrations.length > 0 || (functions?.isPending ?? false),
  }
}

/** The recorded migrations, in order; none if there is no schema crawler yet. */
export async function readRecorded(client: pg.ClientBase): Promise<RecordedMigration[]> {
  try {
    // Read as JSON, because older databases lack the column steps_done.
    const { rows } = await client.query<{ row: RecordedMigration }>(
      'SELECT to_jsonb(m) AS row FROM crawler.schema_migration m ORDER BY name',
    )
    return rows.map(({ row }) => row)
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42P01' || error.code === '3F000')) return []
    throw explain(error, 'Cannot read crawler.schema_migration')
  }
}

function judge(row: RecordedMigration, index: number, migrations: readonly Migration[]): void {
  const migration = migrations.find(({ name }) => name === row.name)
  if (!migration) {
    throw new StartupError(
      `The database has migration ${row.name}, which this version of Waymark does not know: start the newer version that applied it, or roll it back first (docs/database.md).`,
    )
  }
  if (migration.sha256 !== row.sha256) {
    throw new StartupError(
      `Migration ${row.name} was edited after it was applied to this database: restore its migration.sql from the release and put the change into a new migration.`,
    )
  }
  const expected = migrations[index]
  if (expected && expected.name !== row.name) {
    throw new StartupError(
      `The database has migration ${row.name} but not ${expected.name} before it: restore crawler.schema_migration from a backup, or roll ${row.name} back first (docs/database.md).`,
    )
  }
}
