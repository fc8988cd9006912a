import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { withSetupConnection } from './setup-connection.ts'

/** Shared by all processes that check, so that backends of a refused pooler hold one lock each, however many check. */
const LOCK = `hashtextextended('waymark session check', 0)`
/** How long a pooler may take to reset the backend of a client that has gone, milliseconds. */
const RESET_WAIT_MS = 3_000
const LOOK_AGAIN_MS = 50

/**
 * Checks that connections to both URLs are sessions of PostgreSQL, and that both lead to the same database.
 * @param directUrl for what no pooler should carry; it may be the same
 * @throws StartupError if a URL leads to a pooler in transaction or statement mode, or the URLs to different databases,
 *   and as withSetupConnection does
 */
export async function requireSessions(databaseUrl: string, directUrl: string): Promise<void> {
  await requireSession(databaseUrl, 'DATABASE_URL')
  if (directUrl === databaseUrl) return
  await requireSession(directUrl, 'DATABASE_DIRECT_URL')
  await requireSameDatabase(databaseUrl, directUrl)
}

/**
 * Checks that a connection is one session of PostgreSQL from its beginning to its end. It is not behind a pooler in
 * transaction or statement mode: there a prepared statement, a setting and a lock stay with a backend that serves
 * others, and the next statement finds another backend.
 * That two statements in a row met the same backend would prove nothing: a quiet pooler gives the same one each time.
 * So a lock of the session decides. Where a client owns its backend, a pooler has to free the backend from the client's
 * locks when the client has gone. Where it does not, the lock stays.
 * @param setting the name of the setting that holds the URL, for messages
 * @throws StartupError if the lock stays, and as withSetupConnection does
 */
export async function requireSession(databaseUrl: string, setting: string): Promise<void> {
  const backend = await withSetupConnection(databaseUrl, (client) => lockWithin(client, setting), setting)
  if (backend === undefined) return
  const isFreed = await withSetupConnection(databaseUrl, (client) => waitUntilFreed(client, backend), setting)
  if (!isFreed) throw refusal(setting)
}

/** @returns the backend that took the lock; undefined: PostgreSQL itself was asked, and no pooler */
async function lockWithin(client: pg.Client, setting: string): Promise<number | undefined> {
  const { rows } = await client.query<{ backend: number }>(
    `SELECT pg_backend_pid() AS backend, pg_advisory_lock_shared(${LOCK})`,
  )
  const backend = rows[0]?.backend ?? 0
  // A pooler gives each client a number of its own to cancel with, since a client is no backend.
  const { processID } = client as unknown as { processID: number }
  if (processID === backend) return undefined
  // A pooler that resets a backend after each transaction has freed the lock by now, or is about to.
  if ((await findHolder(client, backend)) !== 'this backend') throw refusal(setting)
  return backend
}

async function waitUntilFreed(client: pg.Client, backend: number): Promise<boolean> {
  const deadline = performance.now() + RESET_WAIT_MS
  while ((await findHolder(client, backend)) !== 'nobody') {
    if (performance.now() > deadline) return false
    await delay(LOOK_AGAIN_MS)
  }
  return true
}

async function findHolder(client: pg.Client, backend: number): Promise<'this backend' | 'another' | 'nobody'> {
  const { rows } = await client.query<{ isHere: boolean }>(
    `SELECT pid = pg_backend_pid() AS "isHere" FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = $1
       AND (classid::bigint << 32) + objid::bigint = ${LOCK}
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [backend],
  )
  const [holder] = rows
  if (!holder) return 'nobody'
  return holder.isHere ? 'this backend' : 'another'
}

function refusal(setting: string): StartupError {
  return new StartupError(
    `${setting} leads to a pooler in transaction or statement mode, where prepared statements, settings and locks do not stay with a connection: ` +
      'set pool_mode=session for this database (PgBouncer: in [databases], with server_reset_query=DISCARD ALL), or connect to PostgreSQL itself (docs/database.md).',
  )
}

/**
 * Checks that two URLs lead to the same database of the same server: a lock that one takes, the other sees.
 * @throws StartupError if they do not, and as withSetupConnection does
 */
async function requireSameDatabase(databaseUrl: string, directUrl: string): Promise<void> {
  const key = [randomInt(2 ** 31), randomInt(2 ** 31)]
  const isSeen = await withSetupConnection(
    directUrl,
    async (direct) => {
      await direct.query('BEGIN')
      await direct.query('SELECT pg_advisory_xact_lock($1, $2)', key)
      return withSetupConnection(databaseUrl, async (client) => {
        const { rowCount } = await client.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1::bigint::oid
             AND objid = $2::bigint::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          key,
        )
        return rowCount === 1
      })
    },
    'DATABASE_DIRECT_URL',
  )
  if (isSeen) return
  throw new StartupError(
    'DATABASE_DIRECT_URL leads to another database than DATABASE_URL: it must be the same one, without the pooler.',
  )
}
