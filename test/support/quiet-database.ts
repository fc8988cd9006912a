import { pino } from 'pino'
import { type Database, openDatabase } from '../../src/database/database.ts'

/** The server's own connections to a database, for a test that calls its stores. Nothing is logged. */
export function openQuietDatabase(url: string, { poolSize = 2, statementTimeoutMs = 10_000 } = {}): Database {
  return openDatabase({ url, poolSize, connectTimeoutMs: 4_000, statementTimeoutMs, log: pino({ level: 'silent' }) })
}
