import type pg from 'pg'
import type { Logger } from 'pino'
import { DURABLE_COMMIT } from '../connection/session-settings.ts'
import { applyFunctions } from './function-set.ts'
import { explain } from './migration-errors.ts'
import type { Migration } from './migration-files.ts'
import { runBefore, runStep, runSteps } from './migration-steps.ts'
import { withTurn } from './migration-turn.ts'
import { readPending, readRecorded, readWanted, type SchemaFolders, type WantedSchema } from './pending-migrations.ts'
import { withSetupConnection } from './setup-connection.ts'
import { isTakenOver, takeOver } from './takeover.ts'

export interface MigrationReport {
  /** Names of the migrations applied by this call, in order. */
  readonly applied: readonly string[]
  /** Names of the migrations that were applied before, in order. */
  readonly present: readonly string[]
  /** Names of the functions and triggers that this call made or replaced. */
  readonly functions: readonly string[]
}

export interface MigrateOptions extends SchemaFolders {
  readonly databaseUrl: string
  /**
   * How long a statement waits for a table that others use, milliseconds; after that the migration is given up. Others
   * queue behind the statement, and servers among them give up after 1 s (database.ts). By default a migration gives up
   * before them.
   */
  readonly lockTimeoutMs?: number
  /** How long to wait for another process that is migrating this database, milliseconds. */
  readonly turnTimeoutMs?: number
  readonly log?: Pick<Logger, 'info' | 'warn'>
}

/**
 * Brings the database to this version's schema. Each migration is one transaction. What goes before it runs one by one,
 * and so do its steps.
 * Then the functions and triggers whose texts differ are replaced in one transaction. Processes that migrate at the
 * same time take turns. If nothing is pending it only reads, so that a role without further rights can start a server.
 * @throws StartupError with one line that says what to do: no connection, no rights, an edited or unknown migration, a
 *   newer set of functions, a lock that others hold, tables that cannot be adopted. What was applied before the failing
 *   part stays applied.
 */
export async function migrate(options: MigrateOptions): Promise<MigrationReport> {
  const wanted = await readWanted(options)
  return withSetupConnection(options.databaseUrl, async (client) => {
    const found = await readPending(client, wanted)
    if (!found.isPending) return { applied: [], present: found.applied, functions: [] }
    client.on('notice', (notice) => {
      if (notice.severity === 'WARNING') options.log?.warn(notice.message ?? 'a migration warns')
    })
    return withTurn(client, options.turnTimeoutMs ?? 60_000, () => applyPending(client, wanted, options))
  })
}

async function applyPending(
  client: pg.Client,
  wanted: WantedSchema,
  options: MigrateOptions,
): Promise<MigrationReport> {
  const applied: string[] = []
  const told = (names: readonly string[], startedAt: number, what: string) => {
    applied.push(...names)
    options.log?.info({ migration: what, durationMs: Math.round(performance.now() - startedAt) }, 'migrated')
  }
  const takesOver = isTakenOver(await readRecorded(client))
  const present = takesOver ? [] : (await readPending(client, wanted)).applied
  if (takesOver) {
    const startedAt = performance.now()
    let names: readonly string[] = []
    await inTransaction(client, options, async () => {
      names = await takeOver(client, wanted.migrations)
    })
    told(names, startedAt, 'taken over from 013')
  }
  for (const migration of (await readPending(client, wanted)).migrations) {
    const startedAt = performance.now()
    await apply(client, migration, options)
    told([migration.name], startedAt, migration.name)
  }
  const functions = await replaceFunctions(client, wanted, options)
  return { applied, present, functions }
}

/** Applies a migration and its steps. If the migration is recorded already, only the steps that are left. */
async function apply(client: pg.Client, migration: Migration, options: MigrateOptions): Promise<void> {
  const { name, sql, sha256 } = migration
  const recorded = (await readRecorded(client)).find((row) => row.name === name)
  if (!recorded) {
    await runBefore(client, migration)
    try {
      await inTransaction(client, options, async () => {
        await client.query(sql)
        await client.query('INSERT INTO crawler.schema_migration (name, sha256) VALUES ($1, $2)', [name, sha256])
      })
    } catch (error) {
      throw explain(error, `Migration ${name} failed and changed nothing`, sql)
    }
  }
  await runSteps(client, migration, recorded?.steps_done ?? 0)
}

async function replaceFunctions(
  client: pg.Client,
  wanted: WantedSchema,
  options: MigrateOptions,
): Promise<readonly string[]> {
  const set = wanted.functions
  const { functions: changes } = await readPending(client, wanted)
  if (!set || !changes?.isPending) return []
  const startedAt = performance.now()
  try {
    await inTransaction(client, options, () => applyFunctions(client, set, changes))
  } catch (error) {
    throw explain(error, `Function set ${set.number} failed and changed nothing`)
  }
  const names = changes.changed.map(({ name }) => name)
  options.log?.info(
    { functionSet: set.number, functions: names.length, durationMs: Math.round(performance.now() - startedAt) },
    'functions replaced',
  )
  return names
}

async function inTransaction(
  client: pg.Client,
  { lockTimeoutMs = 500 }: MigrateOptions,
  change: () => Promise<void>,
): Promise<void> {
  await client.query('BEGIN')
  try {
    // A timeout of the role or the database is meant for requests, not for the one-time scan of a large adopted table.
    await client.query(
      `SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', $1, true), set_config('synchronous_commit', ${DURABLE_COMMIT}, true)`,
      [`${lockTimeoutMs}ms`],
    )
    await client.query(records)
    await change()
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** Not CREATE ... IF NOT EXISTS: it needs the right CREATE on the database even if the schema exists. */
const records = `DO $$
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
  IF to_regclass('crawler.function_set') IS NULL THEN
    ALTER TABLE crawler.schema_migration ADD COLUMN IF NOT EXISTS steps_done INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE crawler.function_set (
      only_row   BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
      number     INTEGER NOT NULL,
      applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
    CREATE TABLE crawler.schema_function (
      name        TEXT PRIMARY KEY,
      sha256      TEXT NOT NULL,
      left_out_by INTEGER
    );
  END IF;
END
$$`

/**
 * Applies everything once more, whatever is recorded. For a database in which somebody dropped or changed what Waymark
 * made. Rows stay.
 * @throws StartupError as migrate does
 */
export async function repair(options: MigrateOptions): Promise<void> {
  const wanted = await readWanted(options)
  await migrate(options)
  await withSetupConnection(options.databaseUrl, (client) =>
    withTurn(client, options.turnTimeoutMs ?? 60_000, async () => {
      for (const migration of wanted.migrations) {
        const { name, sql, steps } = migration
        await runBefore(client, migration)
        try {
          await inTransaction(client, options, async () => {
            await client.query(sql)
          })
          for (const step of steps) await runStep(client, step)
        } catch (error) {
          throw explain(error, `Migration ${name} failed`, sql)
        }
      }
      const set = wanted.functions
      if (!set) return
      const all = { changed: set.files, leftOut: [], dropped: [], isPending: true }
      await inTransaction(client, options, () => applyFunctions(client, set, all))
    }),
  )
}
