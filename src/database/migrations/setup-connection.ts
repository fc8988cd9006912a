import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { toPostgresUrl } from '../database-url.ts'

const connectTimeoutMs = 10_000

/**
 * Runs `use` on a connection of its own, and closes it. For work before there is a pool: migrating, verifying.
 * @throws StartupError if the database cannot be reached; what `use` throws passes unchanged
 */
export async function withSetupConnection<Result>(
  databaseUrl: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: toPostgresUrl(databaseUrl),
    application_name: 'waymark setup',
    connectionTimeoutMillis: connectTimeoutMs,
  })
  // If the connection breaks between two statements, the next one reports it. Without a listener it would end the
  // process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    await client.end().catch(() => undefined)
    throw cannotConnect(client, cause)
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

function cannotConnect(client: pg.Client, cause: unknown): StartupError {
  // An AggregateError (localhost is ::1 and 127.0.0.1) has an empty message.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const reason = first instanceof Error ? first.message : 'unknown reason'
  return new StartupError(
    `Cannot connect to PostgreSQL at ${client.host}:${client.port} (database ${client.database ?? '?'}, role ${client.user ?? '?'}): ${reason}. ` +
      'Check that it runs and that DATABASE_URL is right (docs/troubleshooting.md).',
    { cause },
  )
}
