import pg from 'pg'
import { explain } from './migration-errors.ts'
import type { Migration } from './migration-files.ts'

/** How long a step waits for open transactions, milliseconds. Nobody waits for the step meanwhile. */
const STEP_WAIT_MS = 60_000

/**
 * Runs the steps of a migration that are not done, each outside a transaction, and records each when it is done. A step
 * that was interrupted (the process was killed, the connection was lost) is run again by the next migrate, so each step
 * can be repeated.
 * @param done how many steps are recorded as done
 * @throws StartupError for a step that fails; those before it stay done
 */
export async function runSteps(client: pg.Client, { name, steps }: Migration, done: number): Promise<void> {
  await client.query(`SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', $1, false)`, [
    `${STEP_WAIT_MS}ms`,
  ])
  for (const [index, step] of steps.entries()) {
    if (index < done) continue
    try {
      await runStep(client, step)
      await client.query('UPDATE crawler.schema_migration SET steps_done = $2 WHERE name = $1', [name, index + 1])
    } catch (error) {
      throw explain(
        error,
        `Step ${index + 1} of ${steps.length} of migration ${name} failed; those before it are done, and it can be repeated`,
      )
    }
  }
}

/**
 * Runs one step. An index that an earlier attempt left unfinished is dropped first, because IF NOT EXISTS would count
 * it as done.
 */
export async function runStep(client: pg.Client, step: string): Promise<void> {
  const index = /\bINDEX CONCURRENTLY IF NOT EXISTS (\w+)/i.exec(step)?.[1]
  if (index !== undefined) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE c.relnamespace = to_regnamespace('crawler') AND c.relname = $1 AND NOT i.indisvalid`,
      [index],
    )
    if (rowCount) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS crawler.${pg.escapeIdentifier(index)}`)
  }
  await client.query(step)
}
