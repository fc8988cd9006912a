import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'

/**
 * Turns an error of PostgreSQL into one line that names what failed, the line in its text, and what to do.
 * @param what e.g. "Migration 001_original_tables failed and changed nothing"
 * @param sql the text that was sent, for the number of the line
 * @returns a StartupError; any other error is returned as it is
 */
export function explain(error: unknown, what: string, sql?: string): unknown {
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
  '42P13': 'Servers of the version before still call it: give the changed function a new name',
}
