import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { openConnection } from '../connection/connection.ts'
import { parseDatabaseUrl } from '../connection/database-url.ts'
import { NoHostError } from '../connection/host-search.ts'
import { plainSession } from '../connection/plain-session.ts'
import { requireUsable } from './usable-database.ts'

const connectTimeoutMs = 10_000

/**
 * Runs `use` on a connection of its own, and closes it. For work before there is a pool: migrating, verifying.
 * @param setting the name of the setting that holds the URL, for messages
 * @throws StartupError if the database cannot be reached, or is one that Waymark cannot use; what `use` throws passes
 *   unchanged
 */
export async function withSetupConnection<Result>(
  databaseUrl: string,
  use: (client: pg.Client) => Promise<Result>,
  setting = 'DATABASE_URL',
): Promise<Result> {
  const client = await open(databaseUrl, setting)
  try {
    await plainSession(client)
    await requireUsable(client)
    return await use(client)
  } finally {
    await client.end()
  }
}

async function open(databaseUrl: string, setting: string): Promise<pg.Client> {
  try {
    return await openConnection({ url: databaseUrl, applicationName: 'waymark setup', connectTimeoutMs })
  } catch (cause) {
    if (cause instanceof StartupError) throw cause
    throw cannotConnect(databaseUrl, setting, cause)
  }
}

function cannotConnect(databaseUrl: string, setting: string, cause: unknown): StartupError {
  // An AggregateError (localhost is ::1 and 127.0.0.1) has an empty message.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const reason = first instanceof Error ? first.message : 'unknown reason'
  // Read as node-postgres reads it, with its defaults.
  const { host, port, database, user } = new pg.Client(parseDatabaseUrl(databaseUrl).hostUrls[0])
  const place = cause instanceof NoHostError ? '' : ` at ${host}:${port}`
  return new StartupError(
    `Cannot connect to PostgreSQL${place} (database ${database ?? '?'}, role ${user ?? '?'}): ${reason}. ` +
      `Check that it runs and that ${setting} is right (docs/troubleshooting.md).`,
    { cause },
  )
}
