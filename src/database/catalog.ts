import type pg from 'pg'

export type SchemaObjectKind = 'table' | 'column' | 'constraint' | 'index' | 'trigger' | 'function'

/** One thing in schema crawler, as the database itself describes it. */
export interface SchemaObject {
  readonly kind: SchemaObjectKind
  /** The table it belongs to, e.g. crawler.crawl_session; null for a function. */
  readonly table: string | null
  /** Of a constraint the name that Waymark gives it; adopted tables have theirs under other names. */
  readonly name: string
  /** SQL, or of a function the SHA-256 of its SQL. */
  readonly definition: string
}

export interface FoundObject extends SchemaObject {
  /** false: a constraint that is NOT VALID, a trigger that is disabled, an index whose building failed. */
  readonly inForce: boolean
}

/**
 * Describes schema crawler in a form that is the same on PostgreSQL 15 to 18. Needs no rights in the schema.
 * What a partition has from its parent is left out: it can be neither missing nor different. Changes the session's search_path.
 */
export async function readCatalog(client: pg.ClientBase): Promise<readonly FoundObject[]> {
  // With nothing on the path every name in a definition comes out qualified.
  await client.query(`SELECT set_config('search_path', 'pg_catalog', false)`)
  const { rows } = await client.query<FoundObject>(catalog)
  return rows
}

const catalog = `
WITH tables AS (
  SELECT oid, oid::regclass::text AS name, relkind, relpartbound, relispartition FROM pg_class
  WHERE relnamespace = to_regnamespace('crawler') AND relkind IN ('r', 'p') AND relname <> 'schema_migration'
)
SELECT * FROM (
SELECT 'table' AS kind, name AS "table", name AS name, true AS "inForce",
  concat_ws(' ',
    'PARTITION OF ' || (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = oid AND relispartition),
    pg_get_expr(relpartbound, oid),
    'PARTITION BY ' || CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END) AS definition
FROM tables
UNION ALL
SELECT 'column', t.name, a.attname, true,
  concat_ws(' ',
    CASE WHEN NOT t.relispartition THEN format_type(a.atttypid, a.atttypmod) END,
    CASE WHEN NOT t.relispartition AND a.attnotnull THEN 'NOT NULL' END,
    CASE WHEN a.attidentity <> '' THEN 'GENERATED ALWAYS AS IDENTITY' END,
    'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
FROM tables AS t
  JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', t.name, c.conname, c.convalidated, replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')
FROM tables AS t JOIN pg_constraint AS c ON c.conrelid = t.oid
WHERE c.contype IN ('c', 'f', 'p', 'u') AND c.conparentid = 0
UNION ALL
SELECT 'index', t.name, i.indexrelid::regclass::text, i.indisvalid, pg_get_indexdef(i.indexrelid)
FROM tables AS t JOIN pg_index AS i ON i.indrelid = t.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))
UNION ALL
SELECT 'trigger', t.name, g.tgname, g.tgenabled IN ('O', 'A'), pg_get_triggerdef(g.oid)
FROM tables AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid
WHERE NOT g.tgisinternal AND g.tgparentid = 0
UNION ALL
SELECT 'function', NULL, oid::regprocedure::text, true,
  encode(sha256(convert_to(pg_get_functiondef(oid), 'UTF8')), 'hex')
FROM pg_proc WHERE pronamespace = to_regnamespace('crawler') AND prokind IN ('f', 'p')
) AS objects
-- The same order whatever the database's collation, for a printed file that only changes with the schema.
ORDER BY kind, "table" COLLATE "C", name COLLATE "C", definition COLLATE "C"`
