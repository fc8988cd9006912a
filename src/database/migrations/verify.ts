import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { adoptionObstacles } from './adoption-obstacles.ts'
import { readCatalog } from './catalog.ts'
import { readPending, readWanted } from './pending-migrations.ts'
import { compareSchemas } from './schema-differences.ts'
import { readExpectedSchema } from './schema-file.ts'
import { withSetupConnection } from './setup-connection.ts'

export interface Verification {
  /** One sentence for each difference, with its remedy; empty: there is none. */
  readonly differences: readonly string[]
  /** One sentence for each thing that works but is worth knowing. */
  readonly notes: readonly string[]
  /** From prisma/schema.sql to the database, in the form of `diff -u`; empty: no difference. */
  readonly diff: string
}

/**
 * Compares the database with prisma/schema.sql: each missing or different table, column, key, index, trigger and
 * function, and what conflicts with Waymark in adopted tables. It changes nothing and needs no rights beyond the
 * server's.
 * @throws StartupError if the database cannot be reached
 */
export async function verifySchema(options: { databaseUrl: string }): Promise<Verification> {
  const expected = await readExpectedSchema()
  return withSetupConnection(options.databaseUrl, async (client) => {
    const { problems, pending } = await migrationState(client)
    const found = await readCatalog(client)
    const { differences, notes } = compareSchemas(expected, found, pending.length > 0 ? 'run migrate' : undefined)
    const adoption = await adoptionObstacles(client, expected, found)
    const hunks = differences.flatMap(({ hunk }) => hunk)
    return {
      differences: [...problems, ...pending, ...differences.map(({ sentence }) => sentence), ...adoption.obstacles],
      notes: [...adoption.notes, ...notes],
      diff: hunks.length > 0 ? ['--- prisma/schema.sql', '+++ the database', ...hunks].join('\n') : '',
    }
  })
}

async function migrationState(client: pg.Client): Promise<{ problems: string[]; pending: string[] }> {
  const wanted = await readWanted()
  try {
    const { migrations, functions } = await readPending(client, wanted)
    const pending = migrations.map(({ name }) => `Migration ${name} is not applied: run migrate.`)
    if (functions?.isPending) pending.push(`Function set ${wanted.functions?.number ?? 0} is not applied: run migrate.`)
    return { problems: [], pending }
  } catch (error) {
    if (error instanceof StartupError) return { problems: [error.message], pending: [] }
    throw error
  }
}
