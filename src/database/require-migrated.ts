import { StartupError } from '../startup-error.ts'
import { readApplied } from './migrate.ts'
import { readMigrations } from './migration-files.ts'
import { withSetupConnection } from './setup-connection.ts'

/**
 * For a server that must not migrate (MIGRATE_ON_START=0): makes sure that somebody did. Changes nothing.
 * @throws StartupError naming the first migration that is missing; or as migrate does, for an edited or unknown one
 */
export async function requireMigrated(options: { databaseUrl: string }): Promise<void> {
  const migrations = await readMigrations()
  const applied = await withSetupConnection(options.databaseUrl, (client) => readApplied(client, migrations))
  const missing = migrations.find(({ name }) => !applied.includes(name))
  if (missing === undefined) return
  throw new StartupError(
    `The database lacks migration ${missing.name}, and MIGRATE_ON_START=0 keeps the server from applying it: ` +
      'run "npm run migrate" (in the image: node dist/main.js migrate) with this DATABASE_URL, then start again.',
  )
}
