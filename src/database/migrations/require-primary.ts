import { StartupError } from '../../errors/startup-error.ts'
import { isStandby } from '../connection/standby.ts'
import { withSetupConnection } from './setup-connection.ts'

/** For the start of a server. Changes nothing. @throws StartupError if the database is a hot standby */
export async function requirePrimary(options: { readonly databaseUrl: string }): Promise<void> {
  await withSetupConnection(options.databaseUrl, async (client) => {
    if (!(await isStandby(client))) return
    throw new StartupError(
      `PostgreSQL at ${client.host}:${client.port} is a hot standby, which takes no writes: ` +
        'point DATABASE_URL at the primary, or promote this one (docs/troubleshooting.md).',
    )
  })
}
