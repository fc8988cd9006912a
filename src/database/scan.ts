import type { QueryResultRow } from 'pg'
import type { Database, Statement } from './database.ts'

/** How long all scans of an operation may wait together, milliseconds. Two run at a time, and each may take long. */
export const SCAN_PATIENCE_MS = 2_000

/**
 * Runs a statement that reads more than it returns, such as a count. It waits behind all other statements.
 * Database.onScanned gets the time that the database worked on it. The database measures that time, so a busy event
 * loop and the network do not count.
 * @param statement a SELECT whose columns are numbers and text, because rows arrive as JSON
 * @throws what Database.query throws
 */
export async function scan<Row extends QueryResultRow>(
  database: Database,
  { name, text, values }: Statement,
): Promise<Row[]> {
  const [answer] = await database.query<{ rows: Row[]; ms: number }>({
    ...(name !== undefined && { name }),
    // The time is read after the last row, because the aggregate needs all rows.
    text: `SELECT coalesce(json_agg(counted), '[]') AS rows,
        (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::float8 AS ms
      FROM (${text}) AS counted`,
    values,
    lane: 'scan',
  })
  if (!answer) throw new Error('an aggregate answered nothing')
  database.onScanned?.(answer.ms)
  return answer.rows
}
