import pg from 'pg'

/** SQLSTATE read_only_sql_transaction: a standby, or a transaction that may not write. */
export const READ_ONLY = '25006'

/** Whether the connection's server is a hot standby: it replays another server's log and takes no writes. */
export async function isStandby(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
  return rows[0]?.standby ?? true
}

/**
 * Why a new connection to a hot standby is refused. pg_locks of a standby does not show who writes on the primary, so a
 * feed that read there would lose events. A server becomes a standby only by a restart, which ends its connections.
 */
export function standbyRefusal(): pg.DatabaseError {
  const refusal = new pg.DatabaseError('the server is a hot standby', 0, 'error')
  return Object.assign(refusal, { code: READ_ONLY, severity: 'FATAL' })
}
