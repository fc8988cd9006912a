import type { ClientBase } from 'pg'
import { plainSettings } from './plain-session.ts'
import { standbyRefusal } from './standby.ts'

export interface SessionTimeouts {
  /** The database cancels a statement after this time, milliseconds. */
  readonly statementTimeoutMs: number
  /** How long a statement waits for a lock, milliseconds. */
  readonly lockTimeoutMs: number
}

/** How long a transaction may be open without a statement, milliseconds. */
const IDLE_IN_TRANSACTION_MS = 10_000

/**
 * SQL for the value of synchronous_commit. The answer to a write promises that it is on disk, whatever the server's
 * default. A stricter default stays.
 */
export const DURABLE_COMMIT = `CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END`

/**
 * What every connection of the pool needs. They are not startup parameters: PgBouncer refuses most of those, or drops
 * them without a word.
 */
const settings = [
  ['statement_timeout', '$1'],
  ['lock_timeout', '$2'],
  ['idle_in_transaction_session_timeout', `'${IDLE_IN_TRANSACTION_MS}'`],
  ['synchronous_commit', DURABLE_COMMIT],
  ...plainSettings.map(([name, value]) => [name, `'${value}'`]),
]
const backend = 'pg_backend_pid() AS backend'
const set = `SELECT pg_is_in_recovery() AS standby, ${settings.map(([name = '', value = '']) => `set_config('${name}', ${value}, false) AS ${name}`).join(', ')}, ${backend}`
const read = `SELECT ${settings.map(([name = '']) => `current_setting('${name}') AS ${name}`).join(', ')}, ${backend}`

/**
 * Makes a function that sets the settings of a new connection, and then reads them in a transaction of its own. It
 * throws where they are not what was set, and where the server is a hot standby; the connection is then of no use.
 * Whether a pooler gives each transaction another backend is checked at the start (migrations/session-check.ts);
 * one that changes later may be noticed here.
 */
export function sessionSetter({ statementTimeoutMs, lockTimeoutMs }: SessionTimeouts) {
  return async (client: ClientBase): Promise<void> => {
    const { rows } = await client.query<Record<string, unknown>>(set, [statementTimeoutMs, lockTimeoutMs])
    const [{ standby, ...wanted } = { standby: true }] = rows
    if (standby === true) throw standbyRefusal()
    const { rows: found } = await client.query<Record<string, unknown>>(read)
    const lost = Object.entries(wanted).filter(([name, value]) => found[0]?.[name] !== value)
    if (lost.length === 0) return
    throw new Error(
      `A connection did not keep its settings (${lost.map(([name]) => name).join(', ')}): a pooler between Waymark and PostgreSQL must run in session mode`,
    )
  }
}
