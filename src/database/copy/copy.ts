import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { sqlState } from '../errors.ts'
import { migrate } from '../migrations/migrate.ts'
import { requireMigrated } from '../migrations/require-migrated.ts'
import { requireSession } from '../migrations/session-check.ts'
import { withSetupConnection } from '../migrations/setup-connection.ts'
import { COPIED_TABLES, type CopiedTable, readColumns } from './copied-tables.ts'
import { type Contents, copyTable, readContents } from './copy-table.ts'
import { beginCopy, readProgress, undoCopy } from './target.ts'

export interface CopyOptions {
  readonly sourceUrl: string
  readonly targetUrl: string
  /** Called with each line of progress. */
  readonly print: (line: string) => void
  /** Default: about a second's work. */
  readonly rowsPerPiece?: number
}

/** How long a copy waits for a writer of the source to finish, or for a killed copy's connection, milliseconds. */
const LOCK_TIMEOUT_MS = 5_000

type Table = CopiedTable & { readonly columns: readonly string[] }

/**
 * Copies everything but the feeds from one database to another, which it migrates: users, state, checkpoints, sessions,
 * history, keys and settings. An interrupted copy is continued by the same call. The source is not changed, and nobody
 * can write it meanwhile.
 * @returns how many rows the target has now
 * @throws StartupError in one line: a server still uses the source, the target is not empty, the databases cannot be
 *   reached or used, or what was copied is not equal
 */
export async function copyDatabase(options: CopyOptions): Promise<number> {
  const { sourceUrl, targetUrl } = options
  await requireMigrated({ databaseUrl: sourceUrl })
  await requireSession(targetUrl, '--to')
  await migrate({ databaseUrl: targetUrl })
  try {
    return await withSetupConnection(sourceUrl, (source) =>
      withSetupConnection(targetUrl, (target) => copyBetween(source, target, options), '--to'),
    )
  } catch (error) {
    throw explain(error)
  }
}

async function copyBetween(source: pg.Client, target: pg.Client, options: CopyOptions): Promise<number> {
  for (const client of [source, target]) await prepare(client)
  await takeTurn(source, target)
  await holdStill(source)
  const { rows } = await source.query<{ generation: string }>('SELECT generation FROM crawler.feed')
  const isResumed = await beginCopy(target, rows[0]?.generation ?? '')
  if (isResumed) options.print('continuing the copy that was interrupted')
  const tables: Table[] = []
  for (const table of COPIED_TABLES) tables.push({ ...table, columns: await readColumns(source, target, table) })

  const total = await copyAll(source, target, tables, options)
  if (total !== undefined) return total
  // Somebody has written the source between this run and the one before.
  options.print('the source has changed since the copy began: beginning again')
  await undoCopy(target)
  const again = await copyAll(source, target, tables, options)
  if (again !== undefined) return again
  throw new StartupError(
    'The target is not equal to the source: somebody writes to the target. Drop it, create it again and start over.',
  )
}

/** @returns how many rows were copied; undefined: the databases are not equal */
async function copyAll(
  source: pg.Client,
  target: pg.Client,
  tables: readonly Table[],
  { print, rowsPerPiece }: CopyOptions,
): Promise<number | undefined> {
  const wanted = new Map<Table, Contents>()
  for (const table of tables) {
    const contents = await readContents(source, table)
    wanted.set(table, contents)
    const progress = await readProgress(target, table)
    if (progress.isDone) continue
    let rows = progress.lastKey === undefined ? 0 : (await readContents(target, table)).rows
    const onPiece = (more: number) => {
      rows += more
      print(`${table.name}: ${rows} of ${contents.rows} rows`)
    }
    await copyTable(source, target, table, progress, onPiece, rowsPerPiece)
  }
  let total = 0
  for (const [table, contents] of wanted) {
    const found = await readContents(target, table)
    total += contents.rows
    // Others may have users there too.
    const isEqual =
      table.name === 'public."user"'
        ? found.rows >= contents.rows
        : found.rows === contents.rows && found.checksum === contents.checksum
    if (!isEqual) return undefined
  }
  await finish(source, target)
  return total
}

/** Both print rows alike, so that checksums can be compared. No timeout of a role applies: a table can be large. */
async function prepare(client: pg.Client): Promise<void> {
  await client.query(`SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = on; SET lock_timeout = ${LOCK_TIMEOUT_MS}`)
}

const TURN = `hashtextextended('waymark copy', 0)`

/** One copy at a time writes to a target. PostgreSQL notices at once that a process was killed. */
async function takeTurn(source: pg.Client, target: pg.Client): Promise<void> {
  try {
    await target.query(`SELECT pg_advisory_lock(${TURN})`)
  } catch (error) {
    if (sqlState(error) !== '55P03') throw error
    throw new StartupError('Another copy writes to this target: wait until it is done.', { cause: error })
  }
  // Each database has such locks of its own.
  const { rows } = await source.query<{ isFree: boolean }>(
    `SELECT pg_try_advisory_lock(${TURN}) AND pg_advisory_unlock(${TURN}) AS "isFree"`,
  )
  if (!rows[0]?.isFree) {
    throw new StartupError(
      'The target is the source itself, or a copy to the source is under way: name another database.',
    )
  }
}

/** Keeps the source as it is until the connection ends: its servers are stopped, and nobody else can write. */
async function holdStill(source: pg.Client): Promise<void> {
  const { rows } = await source.query<{ servers: number }>(
    `SELECT count(*)::integer AS servers FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'waymark%' AND application_name <> 'waymark setup'`,
  )
  if ((rows[0]?.servers ?? 0) > 0) {
    throw new StartupError(
      'A Waymark server still uses the database to copy: stop it first, or what it writes after the copy would be left behind.',
    )
  }
  // The snapshot is taken after the locks, so that it has whatever a writer had committed.
  await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  // Users may be another program's, whose table only its role may lock. The snapshot is enough for them.
  const tables = COPIED_TABLES.map(({ name }) => name).filter((name) => name !== 'public."user"')
  await source.query(`LOCK TABLE ${tables.join(', ')} IN SHARE MODE`)
}

/** Ends a copy whose tables are equal. */
async function finish(source: pg.Client, target: pg.Client): Promise<void> {
  const sequence = `pg_get_serial_sequence('crawler.item_list', 'list_id')`
  const { rows } = await source.query<{ last: string }>(
    `SELECT coalesce(max(list_id), 0) AS last FROM crawler.item_list`,
  )
  await target.query('BEGIN')
  await target.query(`SELECT setval(${sequence}::regclass, greatest($1::bigint, 1))`, [rows[0]?.last])
  // The target may be a clone of an empty database, whose cursors would be taken for its own.
  await target.query('UPDATE crawler.feed SET generation = gen_random_uuid(), started_at = crawler.clock()')
  await target.query('DROP SCHEMA waymark_copy CASCADE')
  await target.query('COMMIT')
  await target.query('ANALYZE')
}

const remedies: Record<string, string> = {
  '55P03':
    'Somebody writes the tables: stop every writer of the source, and start no server on the target, then run copy again.',
  '42501':
    "Run copy with the owner of schema crawler in both URLs; the target's owner also needs CREATE on the database.",
  '23502':
    'public."user" of the target needs more than an id: let the program that makes the users make these, then run copy again.',
  '23503': 'Somebody deleted users of the target: run copy again.',
  '53100': 'Make room on the disk of the target, then run copy again: it continues.',
}

function explain(error: unknown): unknown {
  if (error instanceof StartupError) return error
  const state = sqlState(error)
  const reason = error instanceof Error ? error.message : String(error)
  const isLost =
    state === undefined ? error instanceof Error && /^Connection terminated/.test(reason) : /^(08|57P)/.test(state)
  if (isLost || (error instanceof pg.DatabaseError && state !== undefined)) {
    const remedy = remedies[state ?? ''] ?? 'Run copy again: it continues.'
    return new StartupError(`The copy was interrupted: ${reason}. ${remedy}`, { cause: error })
  }
  return error
}
