import pg from 'pg'
import type { Logger } from 'pino'
import { StartupError } from '../startup-error.ts'
import { readMigrations, type Migration } from './migration-files.ts'
import { withSetupConnection } from './setup-connection.ts'

export interface MigrationReport {
  /** Names applied by this call, in order. */
  readonly applied: readonly string[]
  /** Names that were there already, in order. */
  readonly present: readonly string[]
}

export interface MigrateOptions {
  readonly databaseUrl: string
  /** Where the NNN_name/migration.sql are; by default those of this package. */
  readonly directory?: string
  /**
   * How long a statement waits for a table that others use before the migration is given up, milliseconds. Others queue behind it, and
   * the servers among them give up after 1 s (database.ts): by default a migration does so before them.
   */
  readonly lockTimeoutMs?: number
  /** How long to wait for another process that is migrating this database, milliseconds. */
  readonly turnTimeoutMs?: number
  readonly log?: Pick<Logger, 'info' | 'warn'>
}

/**
 * Brings the database to this version's schema. Each migration is one transaction; processes that migrate at once take turns.
 * Where nothing is pending it only reads crawler.schema_migration, so that a role without further rights can start a server.
 * @throws StartupError with one line that says what to do: no connection, no rights, an edited or unknown migration, a lock that
 *   others hold, tables that cannot be adopted. What was applied before the failing migration stays applied.
 */
export async function migrate(options: MigrateOptions): Promise<MigrationReport> {
  const migrations = await readMigrations(options.directory)
  return withSetupConnection(options.databaseUrl, async (client) => {
    const present = await readApplied(client, migrations)
    const applied: string[] = []
    client.on('notice', (notice) => {
      if (notice.severity === 'WARNING') options.log?.warn(notice.message ?? 'a migration warns')
    })
    for (const migration of migrations) {
      if (present.includes(migration.name)) continue
      const startedAt = performance.now()
      if (await apply(client, migration, migrations, options)) {
        applied.push(migration.name)
        options.log?.info(
          { migration: migration.name, durationMs: Math.round(performance.now() - startedAt) },
          'migrated',
        )
      } else {
        present.push(migration.name)
      }
    }
    return { applied, present }
  })
}

/**
 * The names that the database has recorded, in order; none where there is no schema crawler yet.
 * @throws StartupError where they are not the first so many of the given migrations, unchanged
 */
export async function readApplied(client: pg.ClientBase, migrations: readonly Migration[]): Promise<string[]> {
  let rows: { name: string; sha256: string }[]
  try {
    const result = await client.query<{ name: string; sha256: string }>(
      'SELECT name, sha256 FROM crawler.schema_migration ORDER BY name',
    )
    rows = result.rows
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42P01' || error.code === '3F000')) return []
    throw explain(error, 'Cannot read crawler.schema_migration')
  }
  rows.forEach((row, index) => judge(row, index, migrations))
  return rows.map((row) => row.name)
}

function judge(row: { name: string; sha256: string }, index: number, migrations: readonly Migration[]): void {
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

/** @returns false where another process had applied it by the time it was this one's turn */
async function apply(
  client: pg.Client,
  migration: Migration,
  migrations: readonly Migration[],
  { lockTimeoutMs = 500, turnTimeoutMs = 60_000 }: MigrateOptions,
): Promise<boolean> {
  await client.query('BEGIN')
  try {
    // A timeout that the role or the database sets is meant for requests, not for the one-time scan of a large adopted table.
    await client.query(
      `SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', $1, true), set_config('synchronous_commit', 'on', true)`,
      [`${turnTimeoutMs}ms`],
    )
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('waymark migrate', 0))`)
    await client.query(`SELECT set_config('lock_timeout', $1, true)`, [`${lockTimeoutMs}ms`])
    await client.query(record)
    const present = await readApplied(client, migrations)
    if (present.includes(migration.name)) {
      await client.query('ROLLBACK')
      return false
    }
    await client.query(migration.sql)
    await client.query('INSERT INTO crawler.schema_migration (name, sha256) VALUES ($1, $2)', [
      migration.name,
      migration.sha256,
    ])
    await client.query('COMMIT')
    return true
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw explain(error, `Migration ${migration.name} failed and changed nothing`, migration.sql)
  }
}

/** Not CREATE ... IF NOT EXISTS: that asks for CREATE on the database even where the schema is there. */
const record = `DO $$
BEGIN
  IF to_regnamespace('crawler') IS NULL THEN
    CREATE SCHEMA crawler;
  END IF;
  IF to_regclass('crawler.schema_migration') IS NULL THEN
    CREATE TABLE crawler.schema_migration (
      name       TEXT PRIMARY KEY,
      sha256     TEXT NOT NULL,
      applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
  END IF;
END
$$`

function explain(error: unknown, what: string, sql?: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const line = sql && error.position ? ` (line ${sql.slice(0, Number(error.position)).split('\n').length})` : ''
  const reason = [error.message, error.detail, remedies[error.code ?? ''] ?? error.hint]
    .filter((part) => part !== undefined)
    .map((part) => part.replace(/\.?\s*$/, '.'))
    .join(' ')
  return new StartupError(`${what}${line}: ${reason.replace(/\s*\n\s*/g, ' ')}`, { cause: error })
}

const remedies: Record<string, string> = {
  '42501':
    'Run `migrate` as the owner of schema crawler and its tables, with REFERENCES and SELECT on public."user"; for the server\'s role see the GRANTs in docs/database.md',
  '55P03': 'Another process migrates, or uses these tables: try again when it is done (pg_stat_activity shows it)',
  '25006': 'This is a replica or a read-only database: point DATABASE_URL at the primary',
}
