import { readMigrations } from '../../../src/database/migrations/migration-files.ts'
import type { TestDatabase } from '../../support/database.ts'
import { blocksNamed, readDocument } from '../docs/markdown.ts'

/** The SQL in a migration's rollback comment, as docs/database.md takes it out with sed. */
export function rollbackSql(migrationSql: string): string {
  const block = /^-- ROLLBACK BEGIN\n([\s\S]*?)^-- ROLLBACK END$/m.exec(migrationSql)?.[1]
  if (!block) throw new Error('the migration has no rollback comment')
  return block.replaceAll(/^-- ?/gm, '')
}

/** Takes back this migration and those after it, as docs/database.md has it: functions first. @returns their names */
export async function takeBackFrom(database: TestDatabase, first: string): Promise<string[]> {
  const [dropFunctions = ''] = blocksNamed(await readDocument('docs/database.md'), 'sql', 'rollback-functions')
  await database.query(dropFunctions)
  const migrations = await readMigrations()
  const taken = migrations.slice(migrations.findIndex(({ name }) => name === first))
  for (const { sql } of taken.toReversed()) await database.query(rollbackSql(sql))
  return taken.map(({ name }) => name)
}
