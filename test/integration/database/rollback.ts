/** The SQL in a migration's rollback comment, as docs/database.md takes it out with sed. */
export function rollbackSql(migrationSql: string): string {
  const block = /^-- ROLLBACK BEGIN\n([\s\S]*?)^-- ROLLBACK END$/m.exec(migrationSql)?.[1]
  if (!block) throw new Error('the migration has no rollback comment')
  return block.replaceAll(/^-- ?/gm, '')
}
