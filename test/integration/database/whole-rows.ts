import type { TestDatabase } from '../../support/database.ts'

/** By table of the schema crawler, its columns; partitions and not what they are of. */
export type Columns = ReadonlyMap<string, readonly string[]>

export async function columnsOf(database: TestDatabase): Promise<Columns> {
  const rows = await database.query<{ table_name: string; columns: string[] }>(
    `SELECT c.relname::text AS table_name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'crawler'::regnamespace AND c.relkind = 'r' GROUP BY c.relname ORDER BY c.relname`,
  )
  return new Map(rows.map(({ table_name, columns }) => [table_name, columns]))
}

/**
 * By table, each row with the value of each of these columns, in no order of the table's own.
 * @param where by table, which rows; default: all
 */
export async function wholeRows(
  database: TestDatabase,
  columns: Columns,
  where: Readonly<Record<string, string>> = {},
): Promise<Record<string, string[]>> {
  const tables = [...columns].map(async ([table, names]) => {
    const values = names.map((name) => `'${name}', t."${name}"`).join(', ')
    const rows = await database.query<{ row: string }>(
      `SELECT json_build_object(${values})::text COLLATE "C" AS row FROM crawler.${table} t
      WHERE ${where[table] ?? 'TRUE'} ORDER BY 1`,
    )
    return [table, rows.map(({ row }) => row)] as const
  })
  return Object.fromEntries(await Promise.all(tables))
}
