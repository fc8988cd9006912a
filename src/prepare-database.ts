import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { startEmbedded } from './database/embedded/embedded.ts'
import { migrate } from './database/migrations/migrate.ts'
import { requireMigrated } from './database/migrations/require-migrated.ts'
import { requirePrimary } from './database/migrations/require-primary.ts'
import { requireRights } from './database/migrations/require-rights.ts'
import { requireSessions } from './database/migrations/session-check.ts'

export interface PreparedDatabase {
  readonly url: string
  /** For what needs a connection of its own (DATABASE_DIRECT_URL); the same as `url` where there is no pooler. */
  readonly directUrl: string
  /** Which database it is, and what the operator should know about it. */
  readonly notes: readonly string[]
}

/**
 * Finds the database, or starts the embedded one, and brings it to this version's schema if MIGRATE_ON_START allows it.
 * @param releasers gets what stops an embedded database that was started here
 * @throws StartupError for problems that the operator can fix
 */
export async function prepareDatabase(
  config: Config,
  log: Logger,
  releasers: (() => Promise<void>)[],
): Promise<PreparedDatabase> {
  const database = await locateDatabase(config, log, releasers)
  const { directUrl: databaseUrl } = database
  await requirePrimary({ databaseUrl })
  if (config.migrateOnStart) await migrate({ databaseUrl, log })
  else await requireMigrated({ databaseUrl })
  await requireRights({ databaseUrl: database.url })
  return database
}

async function locateDatabase(
  config: Config,
  log: Logger,
  releasers: (() => Promise<void>)[],
): Promise<PreparedDatabase> {
  const { databaseUrl: url, databaseDirectUrl: directUrl = url } = config
  if (url !== undefined && directUrl !== undefined) {
    await requireSessions(url, directUrl)
    return { url, directUrl, notes: ['database: DATABASE_URL'] }
  }
  const embedded = await startEmbedded({ dataDir: config.dataDir, defaultDataDir: config.defaultDataDir, log })
  releasers.push(() => embedded.stop())
  return {
    url: embedded.url,
    directUrl: embedded.url,
    notes: [`embedded PostgreSQL in ${embedded.dataDir}`, ...embedded.notes],
  }
}
