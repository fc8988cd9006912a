import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { COPIED_TABLES, type CopiedTable } from './copied-tables.ts'

/** How far the copy of one table is. */
export interface Progress {
  /** The key of the last row that the target has; undefined: it has none. */
  readonly lastKey: readonly string[] | undefined
  readonly isDone: boolean
}

/**
 * Prepares the target for a copy, or for the rest of one. Progress is kept in the target, in a schema of its own, and
 * is written in the transactions that write the rows. So whatever is killed, what it says is there is there.
 * @param source the generation of the source's feeds, by which the rest of a copy knows its source
 * @returns whether an earlier run had begun
 * @throws StartupError if the target is not empty, unless by a copy of the same source
 */
export async function beginCopy(target: pg.Client, source: string): Promise<boolean> {
  const { rows: found } = await target.query<{ is: boolean }>(
    `SELECT to_regclass('waymark_copy.source') IS NOT NULL AS is`,
  )
  if (found[0]?.is) {
    const { rows } = await target.query<{ generation: string }>('SELECT generation FROM waymark_copy.source')
    if (rows[0]?.generation === source) return true
    throw new StartupError(
      'The target holds part of a copy of another database: finish that copy, or drop the target, create it again and start over.',
    )
  }
  await requireEmpty(target)
  await target.query('BEGIN')
  await target.query(`CREATE SCHEMA waymark_copy;
    CREATE TABLE waymark_copy.source (generation TEXT NOT NULL);
    CREATE TABLE waymark_copy.progress (table_name TEXT PRIMARY KEY, last_key TEXT[], is_done BOOLEAN NOT NULL)`)
  await target.query('INSERT INTO waymark_copy.source VALUES ($1)', [source])
  await target.query('COMMIT')
  return false
}

async function requireEmpty(target: pg.Client): Promise<void> {
  // Users that another program makes may be there before.
  const areOthers = `obj_description('public."user"'::regclass, 'pg_class') IS DISTINCT FROM 'Made by Waymark, migration 001'`
  for (const { name, isSingleRow } of COPIED_TABLES) {
    if (isSingleRow) continue
    const condition = name === 'public."user"' ? `NOT (${areOthers})` : 'true'
    const { rows } = await target.query<{ is: boolean }>(`SELECT ${condition} AND EXISTS (SELECT FROM ${name}) AS is`)
    if (!rows[0]?.is) continue
    throw new StartupError(
      `The target is not empty: ${name} has rows. Copy to a database that was just created; copy migrates it.`,
    )
  }
}

/** Reads how far the table is. */
export async function readProgress(target: pg.Client, { name }: CopiedTable): Promise<Progress> {
  const { rows } = await target.query<{ last_key: string[] | null; is_done: boolean }>(
    'SELECT last_key, is_done FROM waymark_copy.progress WHERE table_name = $1',
    [name],
  )
  const [row] = rows
  return { lastKey: row?.last_key ?? undefined, isDone: row?.is_done ?? false }
}

/** Notes how far the table is, in the caller's transaction. */
export async function noteProgress(target: pg.Client, { name }: CopiedTable, progress: Progress): Promise<void> {
  await target.query(
    `INSERT INTO waymark_copy.progress VALUES ($1, $2, $3)
     ON CONFLICT (table_name) DO UPDATE SET last_key = EXCLUDED.last_key, is_done = EXCLUDED.is_done`,
    [name, progress.lastKey ?? null, progress.isDone],
  )
}

/** Takes back what a copy wrote, so that it can begin again. Users stay: others may have made them. */
export async function undoCopy(target: pg.Client): Promise<void> {
  const tables = COPIED_TABLES.filter(({ name }) => name !== 'public."user"').toReversed()
  await target.query('BEGIN')
  for (const table of tables) {
    await target.query(`ALTER TABLE ${table.name} DISABLE TRIGGER USER`)
    await target.query(`DELETE FROM ${table.name}`)
    await target.query(`ALTER TABLE ${table.name} ENABLE TRIGGER USER`)
  }
  await target.query('DELETE FROM waymark_copy.progress')
  await target.query('COMMIT')
}
