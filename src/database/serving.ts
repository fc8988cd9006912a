import type { Database } from './database.ts'
import { sqlState } from './errors.ts'
import { READ_ONLY } from './connection/standby.ts'

/**
 * Checks that the database takes writes. The statement needs the right to lock rows and locks none; PostgreSQL refuses
 * even that on a standby, and where transactions are read-only. The pool discards a connection whose statement failed,
 * so the next check sees a setting that was changed back.
 * @returns why it does not serve, in words that anybody may read; undefined: it serves
 */
export async function whyNotServing(database: Database): Promise<string | undefined> {
  if (database.pool().holdsWrites) return 'writes get no answer from the database'
  try {
    await database.query({ text: 'SELECT FROM crawler.feed LIMIT 0 FOR UPDATE', values: [] })
    return undefined
  } catch (error) {
    return sqlState(error) === READ_ONLY
      ? 'the database takes no writes: it is a standby, or its transactions are read-only'
      : 'the database cannot be reached'
  }
}
