import pg from 'pg'
import { explain } from './migration-errors.ts'
import type { Migration } from './migration-files.ts'

/** How long a step waits for open transactions, milliseconds. Nobody waits for the step meanwhile. */
const STEP_WAIT_MS = 60_000
/** The same for a step that locks a table for a moment: others queue behind it. */
const LOCKING_STEP_WAIT_MS = 500

/**
 * Runs one step. If it begins with a condition, a comment that begins with `if`, it runs only where that is true. An
 * index that an earlier attempt left unfinished is dropped first, because IF NOT EXISTS would count it as done.
 */
export async function runSteps(client: pg.Client, { name, steps }: Migration, done: number): Promise<void> {
  await client.query(`SELECT set_config('statement_timeout', '0', false)`)
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
 * Runs what a migration needs before its transaction: what would take long with many rows, while it held its locks.
 * @throws StartupError for a statement that fails; all of them can be repeated
 */
export async function runBefore(client: pg.Client, { name, before }: Migration): Promise<void> {
  if (before.length === 0) return
  await client.query(`SELECT set_config('statement_timeout', '0', false)`)
  for (const [index, step] of before.entries()) {
    try {
      await runStep(client, step)
    } catch (error) {
      throw explain(
        error,
        `Statement ${index + 1} of ${before.length} before migration ${name} failed; it can be repeated`,
      )
    }
  }
}

/** Whether nobody waits for a step that waits for a lock. */
const waitsAlone = (step: string) => !/\bALTER TABLE\b/i.test(step) || /\bVALIDATE CONSTRAINT\b/i.test(step)

/**
 * Runs one step. If it begins with a condition, a comment that begins with `if`, it runs only where that is true. An
 * index that an earlier attempt left unfinished is dropped first, because IF NOT EXISTS would count it as done.
 */
export async function runStep(client: pg.Client, step: string): Promise<void> {
  const condition = /^\/\* if (.+?) \*\//s.exec(step)?.[1]
  if (condition !== undefined) {
    const { rows } = await client.query<{ applies: boolean }>(`SELECT ${condition} AS applies`)
    if (!rows[0]?.applies) return
  }
  await client.query(`SELECT set_config('lock_timeout', $1, false)`, [
    `${waitsAlone(step) ? STEP_WAIT_MS : LOCKING_STEP_WAIT_MS}ms`,
  ])
  const [, index, schema] = /\bINDEX CONCURRENTLY IF NOT EXISTS (\w+)\s+ON (\w+)\./i.exec(step) ?? []
  if (index !== undefined) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE c.relnamespace = to_regnamespace($2) AND c.relname = $1 AND NOT i.indisvalid`,
      [index, schema],
    )
    if (rowCount) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${schema}.${pg.escapeIdentifier(index)}`)
  }
  await client.query(step)
}
