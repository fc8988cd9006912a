import type pg from 'pg'
import { StartupError } from '../startup-error.ts'
import { adoptionObstacles } from './adoption-obstacles.ts'
import { readCatalog } from './catalog.ts'
import { expectedSchema } from './expected-schema.ts'
import { readApplied } from './migrate.ts'
import { readMigrations } from './migration-files.ts'
import { schemaDifferences } from './schema-differences.ts'
import { withSetupConnection } from './setup-connection.ts'

/**
 * Compares the database with what the migrations make: each missing or different table, column, key, index, trigger and
 * function, and what in adopted tables stands in Waymark's way. Changes nothing and needs no rights beyond the server's.
 * @returns each difference in one sentence that says the remedy; empty: all is there. Further objects are no difference.
 * @throws StartupError when the database can't be reached
 */
export function verifySchema(options: { databaseUrl: string }): Promise<readonly string[]> {
  return withSetupConnection(options.databaseUrl, async (client) => {
    const { problems, pending } = await migrationState(client)
    const found = await readCatalog(client)
    const missingRemedy = pending.length > 0 ? 'run migrate' : undefined
    return [
      ...problems,
      ...pending.map((name) => `Migration ${name} is not applied: run migrate.`),
      ...schemaDifferences(expectedSchema, found, missingRemedy),
      ...(await adoptionObstacles(client, found)),
    ]
  })
}

async function migrationState(client: pg.Client): Promise<{ problems: string[]; pending: string[] }> {
  const migrations = await readMigrations()
  try {
    const applied = await readApplied(client, migrations)
    return { problems: [], pending: migrations.map(({ name }) => name).filter((name) => !applied.includes(name)) }
  } catch (error) {
    if (error instanceof StartupError) return { problems: [error.message], pending: [] }
    throw error
  }
}
