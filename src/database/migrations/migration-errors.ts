import pg from 'pg'
import { Fault } from '../../errors/fault.ts'
import { StartupError } from '../../errors/startup-error.ts'
import { faultOf, layersOf } from '../errors.ts'

/**
 * Turns an error of PostgreSQL into one line that names what failed, the line in its text, and what to do.
 * @param what e.g. "Migration 001_original_tables failed and changed nothing"
 * @param sql the text that was sent, for the number of the line
 * @param remedyOf what to do, by SQLSTATE
 * @returns a StartupError; any other error is returned as it is
 */
export function explain(error: unknown, what: string, sql?: string, remedyOf = remedies): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const line = sql && error.position ? ` (line ${sql.slice(0, Number(error.position)).split('\n').length})` : ''
  const reason = [error.message, error.detail, remedyOf[error.code ?? ''] ?? error.hint]
    .filter((part) => part !== undefined)
    .map((part) => part.replace(/\.?\s*$/, '.'))
    .join(' ')
  return new StartupError(`${what}${line}: ${reason.replace(/\s*\n\s*/g, ' ')}`, { cause: error })
}

/**
 * For a command that a database ended: what PostgreSQL refused, or that it cannot be reached any more.
 * @returns undefined: the error is not of a database
 */
export function databaseProblem(error: unknown): StartupError | undefined {
  const refusal = layersOf(error).find((layer) => layer instanceof pg.DatabaseError)
  const explained = explain(refusal, 'The database refused', undefined, { ...remedies, ...remediesOfCommands })
  if (explained instanceof StartupError) return explained
  if (!(faultOf(error) instanceof Fault)) return undefined
  const reason = layersOf(error).findLast((layer) => layer instanceof Error && layer.message !== '')
  return new StartupError(
    `The connection to the database was lost: ${reason instanceof Error ? reason.message : 'no reason given'}. ` +
      'What was done stays done: check that the database runs, and run this again (docs/troubleshooting.md).',
    { cause: error },
  )
}

const remedies: Record<string, string> = {
  '42501':
    'Run `migrate` as the owner of schema crawler and its tables, with REFERENCES and SELECT on public."user"; for the server\'s role see the GRANTs in docs/database.md',
  '55P03': 'Another process migrates, or uses these tables: try again when it is done (pg_stat_activity shows it)',
  '25006': 'This is a replica or a read-only database: point DATABASE_URL at the primary',
  '53300': 'Lower DATABASE_POOL_SIZE, raise max_connections, or the CONNECTION LIMIT of the role',
  '57P01': 'Somebody ended the connection or stops the database: check that it runs, and run this again',
  '57P02': 'The database crashed: check that it runs, and run this again',
  '57P03': 'The database is starting or stopping: run this again in a moment',
  '42P13': 'Servers of the version before still call it: give the changed function a new name',
}

const missing = 'Run `verify`, which names what is missing in schema crawler and what to do'

const remediesOfCommands: Record<string, string> = {
  '3F000': missing,
  '42P01': missing,
  '42703': missing,
  '42883': missing,
}
