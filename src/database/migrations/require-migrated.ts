import { StartupError } from '../../errors/startup-error.ts'
import { readPending, readWanted } from './pending-migrations.ts'
import { withSetupConnection } from './setup-connection.ts'

/**
 * For a server that must not migrate (MIGRATE_ON_START=0): checks that the database is migrated. Changes nothing.
 * @throws StartupError that names the first missing migration or the set of functions; for an edited or unknown
 *   migration as migrate does
 */
export async function requireMigrated(options: { databaseUrl: string }): Promise<void> {
  const wanted = await readWanted()
  const { migrations, functions } = await withSetupConnection(options.databaseUrl, (client) =>
    readPending(client, wanted),
  )
  const [missing] = migrations
  if (missing === undefined && !functions?.isPending) return
  throw new StartupError(
    `The database lacks ${missing ? `migration ${missing.name}` : `function set ${wanted.functions?.number ?? 0}`}, ` +
      'and MIGRATE_ON_START=0 keeps the server from applying it: ' +
      'run "npm run migrate" (in the image: node dist/main.js migrate) with this DATABASE_URL, then start again.',
  )
}
