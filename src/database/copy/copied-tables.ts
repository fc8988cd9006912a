import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'

/** A table that a copy takes along. */
export interface CopiedTable {
  /** As SQL names it. */
  readonly name: string
  /** Its rows are copied in this order, in pieces. Unique, and an index has it. */
  readonly key: readonly string[]
  /** Columns that the target gives values of its own. */
  readonly own?: readonly string[]
  /** It has exactly one row, and so has a database that was just migrated. */
  readonly isSingleRow?: boolean
}

/** In the order of their foreign keys. */
export const COPIED_TABLES: readonly CopiedTable[] = [
  { name: 'public."user"', key: ['id'] },
  { name: 'crawler.item_list', key: ['user_id', 'list_id'] },
  { name: 'crawler.crawl_state', key: ['user_id', 'stream'] },
  { name: 'crawler.crawl_checkpoint', key: ['user_id', 'stream'] },
  { name: 'crawler.crawl_session', key: ['session_id'] },
  { name: 'crawler.lease_look', key: ['session_id'] },
  { name: 'crawler.crawl_pause', key: ['user_id', 'stream'] },
  { name: 'crawler.checkpoint_revision', key: ['user_id', 'stream', 'version'] },
  // Its partitions are the target's, so the numbers that choose one are as well.
  { name: 'crawler.idempotency_key', key: ['user_id', 'stream', 'key', 'key_id'], own: ['key_id'] },
  { name: 'crawler.used_session_id', key: ['id'] },
  { name: 'crawler.stream_setting', key: ['stream'] },
  { name: 'crawler.api_key', key: ['key_id'] },
  { name: 'crawler.cursor_seal', key: ['only_row'], isSingleRow: true },
  { name: 'crawler.reaper', key: ['only_row'], isSingleRow: true },
]

/**
 * Tables of schema crawler that stay as the target has them. Migrations make their rows; and the feeds begin anew, so
 * that a cursor of the source is CURSOR_EXPIRED and never skips.
 */
export const LEFT_TABLES: readonly string[] = [
  ...['schema_migration', 'schema_function', 'function_set'],
  ...['feed', 'feed_event', 'log_partition'],
].map((name) => `crawler.${name}`)

/**
 * Reads which columns of a table to copy, as SQL names them.
 * @throws StartupError if the source has a column that the target has not
 */
export async function readColumns(
  source: pg.Client,
  target: pg.Client,
  table: CopiedTable,
): Promise<readonly string[]> {
  // What other columns public."user" has is its owner's.
  if (table.name === 'public."user"') return ['id']
  const [there, here] = await Promise.all([source, target].map((client) => columnsOf(client, table)))
  const missing = there?.filter((column) => here?.includes(column) === false) ?? []
  if (missing.length > 0) {
    throw new StartupError(
      `${table.name} of the source has columns that the target does not have (${missing.join(', ')}): add them to the target, ` +
        'or drop them from the source if nobody needs them.',
    )
  }
  return there ?? []
}

async function columnsOf(client: pg.Client, { name, own = [] }: CopiedTable): Promise<string[]> {
  const { rows } = await client.query<{ column: string }>(
    `SELECT quote_ident(attname) AS column FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> ALL ($2)
     ORDER BY attname`,
    [name, own],
  )
  return rows.map(({ column }) => column)
}
