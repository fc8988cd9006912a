import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import type { FunctionFile, FunctionSet } from './function-files.ts'
import { explain } from './migration-errors.ts'

/** What a database records of its functions and triggers. */
export interface RecordedSet {
  /** The number of the set that was applied last; 0: none. */
  readonly number: number
  readonly functions: readonly RecordedFunction[]
}

interface RecordedFunction {
  readonly name: string
  readonly sha256: string
  /** The number of the first set without it; null: the applied set has it. */
  readonly left_out_by: number | null
}

/** Reads what is recorded; it needs only SELECT. A database that was never migrated has an empty set. */
export async function readRecordedSet(client: pg.ClientBase): Promise<RecordedSet> {
  try {
    const { rows: sets } = await client.query<{ number: number }>('SELECT number FROM crawler.function_set')
    const { rows: functions } = await client.query<RecordedFunction>(
      'SELECT name, sha256, left_out_by FROM crawler.schema_function ORDER BY name',
    )
    return { number: sets[0]?.number ?? 0, functions }
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42P01' || error.code === '3F000')) {
      return { number: 0, functions: [] }
    }
    throw explain(error, 'Cannot read crawler.schema_function')
  }
}

/** The changes that give a database this version's functions. */
export interface SetChanges {
  readonly changed: readonly FunctionFile[]
  /** Recorded, but not in this version's set. */
  readonly leftOut: readonly string[]
  /** Left out by an earlier set than this one, so no server calls them any more. */
  readonly dropped: readonly string[]
  readonly isPending: boolean
}

/**
 * Compares this version's set with the recorded one.
 * @throws StartupError if the database has a newer set: replacing it would take functions from the servers that need
 *   them
 */
export function compareSets(wanted: FunctionSet, recorded: RecordedSet): SetChanges {
  if (recorded.number > wanted.number) {
    throw new StartupError(
      `The database has function set ${recorded.number}, and this version of Waymark knows only ${wanted.number}: start the newer version that applied it (docs/database.md).`,
    )
  }
  const names = new Set(wanted.files.map(({ name }) => name))
  const known = new Map(recorded.functions.map((entry) => [entry.name, entry]))
  const changed = wanted.files.filter(({ name, sha256 }) => {
    const entry = known.get(name)
    return entry?.sha256 !== sha256 || entry.left_out_by !== null
  })
  const gone = recorded.functions.filter(({ name }) => !names.has(name))
  const leftOut = gone.filter((entry) => entry.left_out_by === null).map(({ name }) => name)
  const dropped = gone.filter(({ left_out_by: by }) => by !== null && by < wanted.number).map(({ name }) => name)
  const isPending = recorded.number < wanted.number || changed.length > 0 || leftOut.length > 0 || dropped.length > 0
  return { changed, leftOut, dropped, isPending }
}

/**
 * Applies the changes in the caller's transaction. Servers of the previous version keep running: a function that the
 * set leaves out stays until a set with a higher number is applied, and a function with a changed signature is refused.
 * @throws StartupError for the first text that fails, with its line
 */
export async function applyFunctions(client: pg.Client, { number }: FunctionSet, changes: SetChanges): Promise<void> {
  // Functions may call each other in any order. validate() checks the bodies once all of them exist.
  await client.query(`SET LOCAL check_function_bodies = off`)
  for (const { name, sql, sha256 } of changes.changed) {
    const what = `Function ${name} failed, and no function was changed`
    try {
      await client.query(sql)
      await requireOneSignature(client, name)
      await client.query(
        `INSERT INTO crawler.schema_function (name, sha256) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, left_out_by = NULL`,
        [name, sha256],
      )
    } catch (error) {
      throw explain(error, what, sql)
    }
  }
  for (const { name } of changes.changed) await validate(client, name)
  await client.query('UPDATE crawler.schema_function SET left_out_by = $2 WHERE name = ANY ($1)', [
    changes.leftOut,
    number,
  ])
  for (const name of changes.dropped) await drop(client, name)
  await client.query(
    `INSERT INTO crawler.function_set (number) VALUES ($1)
     ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, applied_at = now()`,
    [number],
  )
}

async function requireOneSignature(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<{ signature: string }>(
    `SELECT oid::regprocedure::text AS signature FROM pg_proc
     WHERE pronamespace = 'crawler'::regnamespace AND proname = $1 ORDER BY oid`,
    [name],
  )
  if (rows.length <= 1) return
  throw new StartupError(
    `Function ${name} would have the signatures ${rows.map(({ signature }) => signature).join(' and ')}: ` +
      'servers of the version before still call the first, so give the changed function a new name.',
  )
}

async function validate(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<{ oid: string; validator: string }>(
    `SELECT p.oid::text AS oid, l.lanvalidator::regproc::text AS validator FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.pronamespace = 'crawler'::regnamespace AND p.proname = $1 AND l.lanvalidator <> 0`,
    [name],
  )
  await client.query('SET LOCAL check_function_bodies = on')
  for (const { oid, validator } of rows) {
    try {
      await client.query(`SELECT ${validator}($1::oid)`, [oid])
    } catch (error) {
      throw explain(error, `Function ${name} is wrong, and no function was changed`)
    }
  }
}

/** Drops a function with the triggers that call it, or a trigger. */
async function drop(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('DROP FUNCTION %s CASCADE', oid::regprocedure) AS statement FROM pg_proc
     WHERE pronamespace = 'crawler'::regnamespace AND proname = $1
     UNION ALL
     SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'crawler'::regnamespace AND tgname = $1 AND NOT tgisinternal AND tgparentid = 0`,
    [name],
  )
  for (const { statement } of rows) await client.query(statement)
  await client.query('DELETE FROM crawler.schema_function WHERE name = $1', [name])
}
