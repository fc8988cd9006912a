import pg from 'pg'
import { DURABLE_COMMIT } from '../database/connection/session-settings.ts'
import { withSetupConnection } from '../database/migrations/setup-connection.ts'
import { StartupError } from '../errors/startup-error.ts'

export interface FeedReset {
  /** The UUID of the new generation. Every cursor of another one is now CURSOR_EXPIRED. */
  readonly generation: string
  /** The UUID of the generation before. */
  readonly previous: string
}

/**
 * Begins a new generation of the feeds, for a database that lost commits by a restore or by a failover to a replica
 * that lagged. Such a database gives the same event IDs again, to other events, so an old cursor would silently skip
 * some. Events stay, and nothing else changes.
 * @throws StartupError in one line that says what to do: no connection, not migrated, no rights, a read-only database
 */
export function resetFeed(options: { readonly databaseUrl: string }): Promise<FeedReset> {
  return withSetupConnection(options.databaseUrl, async (client) => {
    try {
      // The new generation must be on disk before this function returns, whatever the server's default.
      await client.query(`SELECT set_config('synchronous_commit', ${DURABLE_COMMIT}, false)`)
      const { rows } = await client.query<{ generation: string; previous: string }>(
        `UPDATE crawler.feed SET generation = gen_random_uuid(), started_at = crawler.clock(),
           -- A server that was ahead of this database may have stored a higher one.
           final_up_to = pruned_up_to
         FROM (SELECT generation AS previous FROM crawler.feed FOR UPDATE) AS before RETURNING generation, previous`,
      )
      if (rows[0]) return rows[0]
    } catch (error) {
      throw explain(error)
    }
    throw new StartupError('crawler.feed is empty: apply the migrations once more (docs/database.md, Repair).')
  })
}

function explain(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const remedy = remedies[error.code ?? '']
  return remedy === undefined
    ? error
    : new StartupError(`Cannot reset the feed: ${error.message}. ${remedy}`, { cause: error })
}

const notMigrated =
  'This database is not migrated: run migrate. If it was restored from a backup, check the restore first (docs/database.md).'

const remedies: Record<string, string> = {
  '3F000': notMigrated,
  '42P01': notMigrated,
  '42703': notMigrated,
  '42501': "Run it as the server's role or as the owner of schema crawler (docs/database.md, Roles).",
  '25006': 'This is a replica or a read-only database: point DATABASE_URL at the primary.',
}
