import { StartupError } from '../../errors/startup-error.ts'
import { withSetupConnection } from './setup-connection.ts'

/** More would hide what to do. */
const MOST_NAMED = 3

/**
 * Checks that the role of DATABASE_URL has the rights of a server (docs/database.md, Roles). Changes nothing.
 * @throws StartupError that names rights that are missing
 */
export async function requireRights(options: { readonly databaseUrl: string }): Promise<void> {
  const missing = await withSetupConnection(options.databaseUrl, async (client) => {
    const { rows } = await client.query<{ role: string; missing: string }>(missingRights)
    return rows
  })
  const [first] = missing
  if (!first) return
  const named = missing.slice(0, MOST_NAMED).map((row) => row.missing)
  const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : ''
  throw new StartupError(
    `Role ${first.role} lacks rights that the server needs: ${named.join(', ')}${more}. ` +
      'As the owner of schema crawler, run the GRANTs in docs/database.md (Roles).',
  )
}

// By oid, so that a role without USAGE on a schema gets an answer too. Partitions of the logs are used by their parent.
const missingRights = `
SELECT current_user AS role, missing FROM (
  SELECT 1 AS place, format('USAGE on schema %s', nspname) AS missing FROM pg_namespace
  WHERE nspname IN ('crawler', 'public') AND NOT has_schema_privilege(oid, 'USAGE')
  UNION ALL
  SELECT 2, format('%s on %I.%I', wanted, nspname, relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS wanted
  WHERE relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, wanted)
    AND (nspname = 'crawler' AND relname !~ '^(feed_event|idempotency_key)_[0-9]+$'
      AND (wanted = 'SELECT' OR relname NOT IN ('schema_migration', 'schema_function', 'function_set', 'log_partition'))
      OR nspname = 'public' AND relname = 'user' AND wanted = 'SELECT' AND NOT has_column_privilege(c.oid, 'id', 'SELECT'))
  UNION ALL
  SELECT 3, format('USAGE on sequence %I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  -- CASE keeps the order: of what is no sequence, the question is an error.
  WHERE CASE WHEN relkind = 'S' AND nspname = 'crawler' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
  UNION ALL
  -- A trigger's function is called without a right to it.
  SELECT 4, format('EXECUTE on function crawler.%I', proname) FROM pg_proc
  WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'crawler')
    AND prorettype <> 'trigger'::regtype AND NOT has_function_privilege(oid, 'EXECUTE')
) AS rights ORDER BY place, missing`
