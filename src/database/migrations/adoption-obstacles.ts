import pg from 'pg'
import type { FoundObject, SchemaObject } from './catalog.ts'

/**
 * Finds what conflicts with Waymark in adopted tables (obstacles), and what Waymark reads differently (notes).
 * @returns one sentence for each, with its remedy
 */
export async function adoptionObstacles(
  client: pg.Client,
  expected: readonly SchemaObject[],
  found: readonly FoundObject[],
): Promise<{ readonly obstacles: readonly string[]; readonly notes: readonly string[] }> {
  const tables = [...new Set(expected.flatMap(({ table }) => table ?? []))]
  return {
    obstacles: [...(await userTable(client)), ...(await columnsInTheWay(client, expected, tables))],
    notes: [...(await keysThatKeepUsers(client, tables)), ...(await unknownStatuses(client, found))],
  }
}

/** Waymark uses only "id" of public."user". It may have any text type. */
async function userTable(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ type: string | null; present: boolean }>(
    `SELECT to_regclass('public."user"') IS NOT NULL AS present, (SELECT atttypid::regtype::text FROM pg_attribute
       WHERE attrelid = to_regclass('public."user"') AND attname = 'id' AND NOT attisdropped) AS type`,
  )
  const [row] = rows
  if (!row?.present) return ['Table public."user" is missing: run migrate, or restore it from a backup.']
  if (row.type !== null) return []
  return ['Column id of public."user" is missing: name the column with the users\' IDs id, which crawler.* refer to.']
}

/** Foreign columns that Waymark's inserts cannot satisfy. */
async function columnsInTheWay(
  client: pg.Client,
  expected: readonly SchemaObject[],
  tables: readonly string[],
): Promise<string[]> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `SELECT attrelid::regclass::text AS table, quote_ident(attname) AS column FROM pg_attribute
     WHERE attrelid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
       AND attnum > 0 AND attnotnull AND NOT atthasdef AND attidentity = '' AND NOT attisdropped
       -- A partition has its parent's columns.
       AND attrelid::regclass::text || '.' || attname <> ALL ($2)
       AND coalesce((SELECT inhparent FROM pg_inherits WHERE inhrelid = attrelid), attrelid)::regclass::text || '.' || attname <> ALL ($2)
     ORDER BY 1, 2`,
    [tables, expected.filter(({ kind }) => kind === 'column').map(({ table, name }) => `${table ?? ''}.${name}`)],
  )
  return rows.map(
    ({ table, column }) =>
      `Column ${column} of ${table} may not be NULL and has no default, so Waymark cannot insert there: ALTER TABLE ${table} ALTER COLUMN ${column} DROP NOT NULL, or give it a default.`,
  )
}

/**
 * The original project's foreign keys may not cascade. Waymark's own keys stand beside them and do. So everything works
 * except deleting a user with rows.
 */
async function keysThatKeepUsers(client: pg.Client, tables: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ table: string; name: string }>(
    `SELECT conrelid::regclass::text AS table, quote_ident(conname) AS name FROM pg_constraint
     WHERE conrelid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
       AND contype = 'f' AND confrelid = to_regclass('public."user"') AND confdeltype <> 'c' AND conparentid = 0
     ORDER BY 1, 2`,
    [tables],
  )
  return rows.map(
    ({ table, name }) =>
      `Foreign key ${name} of ${table} keeps users from being deleted: ALTER TABLE ${table} DROP CONSTRAINT ${name} (another one cascades).`,
  )
}

async function unknownStatuses(client: pg.Client, found: readonly FoundObject[]): Promise<string[]> {
  if (
    !found.some(({ table, name, inForce }) => table === 'crawler.crawl_session' && !inForce && name.includes('status'))
  ) {
    return []
  }
  try {
    const { rows } = await client.query<{ status: string; count: string }>(
      `SELECT status, count(*) FROM crawler.crawl_session
       WHERE status NOT IN ('running', 'completed', 'stopped', 'failed') GROUP BY 1 ORDER BY 1`,
    )
    return rows.map(
      ({ status, count }) =>
        `crawler.crawl_session holds status ${pg.escapeLiteral(status)} (rows: ${count}), which reads as failed: UPDATE crawler.crawl_session SET status = 'failed' WHERE status = ${pg.escapeLiteral(status)}.`,
    )
  } catch (error) {
    // Without the right to SELECT sessions, only the constraint is reported: above, as not valid.
    if (error instanceof pg.DatabaseError && error.code === '42501') return []
    throw error
  }
}
