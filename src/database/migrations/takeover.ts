import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import { packageRoot } from '../../package-root.ts'
import { explain } from './migration-errors.ts'
import { type Migration, readSql, type RecordedMigration } from './migration-files.ts'

const folder = join(packageRoot, 'prisma/takeover')

/** The last commit with the thirteen earlier migrations. It brings an earlier database to 013. */
const LAST_COMMIT_BEFORE = 'e3be305'
/** The hash of the earlier 001_original_tables. */
const FIRST_SHA256 = '99e2b1286e86c9ae1d4c150971a0b48e7d17e86ae3286374c89f02be8db40340'
/** The hash of all thirteen, as lines "name sha256". */
const ALL_SHA256 = '2d8e4670c502e081782fcb76018c954355fe0e77e00f254e6d761136607bf368'
/** How many of this version's migrations describe what 013 has. */
const MIGRATIONS_OF_013 = 7

/**
 * Whether a database has exactly the thirteen migrations from before they were rewritten.
 * @throws StartupError if it has some of them, or others besides: only 013 can be taken over
 */
export function isTakenOver(recorded: readonly RecordedMigration[]): boolean {
  if (recorded[0]?.sha256 !== FIRST_SHA256) return false
  const lines = recorded.map(({ name, sha256 }) => `${name} ${sha256}\n`).join('')
  if (createHash('sha256').update(lines).digest('hex') === ALL_SHA256) return true
  throw new StartupError(
    `The database is at migration ${recorded.at(-1)?.name ?? ''} of before the migrations were written anew: ` +
      `run \`npm run migrate\` of commit ${LAST_COMMIT_BEFORE} on it first, which brings it to 013_running_by_platform, then this version.`,
  )
}

/**
 * Turns a database at 013 into one with the first seven of this version's migrations, in the caller's transaction. It
 * keeps every row, and every cursor of the feeds. The caller then applies the later ones and the functions.
 * @returns the names of those migrations
 * @throws StartupError if that fails
 */
export async function takeOver(client: pg.Client, migrations: readonly Migration[]): Promise<readonly string[]> {
  const first = migrations.slice(0, MIGRATIONS_OF_013)
  const texts = [
    await readSql(join(folder, 'before.sql')),
    ...first.map(({ sql }) => sql),
    await readSql(join(folder, 'after.sql')),
  ]
  for (const sql of texts) {
    try {
      await client.query(sql)
    } catch (error) {
      throw explain(error, 'The database at 013 could not be taken over and was not changed', sql)
    }
  }
  await client.query('DELETE FROM crawler.schema_migration')
  for (const { name, sha256, steps } of first) {
    // The database at 013 has the indexes that the steps make.
    await client.query('INSERT INTO crawler.schema_migration (name, sha256, steps_done) VALUES ($1, $2, $3)', [
      name,
      sha256,
      steps.length,
    ])
  }
  return first.map(({ name }) => name)
}
