import { type Batch, MAX_BATCH_SIZE } from '../../database/batches.ts'
import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import { timeTextSql } from '../../database/time-column.ts'
import type { Reach } from '../../identity/principal.ts'
import { COMPLETED_AT } from './filter-store.ts'
import type { SessionStatus } from './model.ts'

/**
 * Which ended sessions to prune. Running sessions, and those that ended less than 24 h ago by the database's clock, are
 * never pruned.
 */
export interface PruneFilter {
  /** Exclusive. */
  readonly completedBefore: Date | { readonly daysAgo: number }
  /** undefined: any status. */
  readonly statuses: readonly SessionStatus[] | undefined
  readonly userId: string | undefined
  readonly stream: string | undefined
}

/** Where a batch ended: the sort key's values as text, in full precision. */
export type PrunePosition = readonly [completedAt: string, startedAt: string, sessionId: string]

const COMPLETED_AT_TEXT = Prisma.raw(timeTextSql('s.completed_at'))
const STARTED_AT_TEXT = Prisma.raw(timeTextSql('s.started_at'))

/** The same expressions as in the index crawl_session_completed. */
const KEY = Prisma.sql`${COMPLETED_AT}, s.started_at, s.session_id`

export async function countPrunable(database: Database, reach: Reach, filter: PruneFilter): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM crawler.crawl_session s WHERE ${conditionSql(reach, filter)}`,
  )
  return row?.count ?? 0
}

/**
 * Deletes the first batch of the matching sessions after a position, those that ended longest ago first. A session
 * whose row another transaction has locked is skipped.
 * @param after where the last batch ended; undefined: begin at the first session
 * @param gate a condition that needs no row; if it is false, nothing is read or locked
 */
export async function deletePrunable(
  database: Database,
  reach: Reach,
  filter: PruneFilter,
  after: PrunePosition | undefined,
  gate = Prisma.sql`TRUE`,
): Promise<Batch<PrunePosition>> {
  const position = after
    ? Prisma.sql`(${KEY}) > (${after[0]}::timestamptz, ${after[1]}::timestamptz, ${after[2]})`
    : Prisma.sql`TRUE`
  const { text, values } = Prisma.sql`WITH chosen AS MATERIALIZED (
        SELECT s.session_id, s.completed_at, s.started_at FROM crawler.crawl_session s
        WHERE ${gate} AND ${conditionSql(reach, filter)} AND ${position}
        ORDER BY ${KEY} LIMIT ${MAX_BATCH_SIZE} FOR UPDATE SKIP LOCKED
      ), deleted AS (
        DELETE FROM crawler.crawl_session s USING chosen WHERE s.session_id = chosen.session_id RETURNING 1
      )
      SELECT (SELECT count(*) FROM deleted)::integer AS count, ${COMPLETED_AT_TEXT} AS completed_at,
        ${STARTED_AT_TEXT} AS started_at, s.session_id
      FROM chosen s ORDER BY s.completed_at DESC, s.started_at DESC, s.session_id DESC LIMIT 1`
  const rows = await database.write<{ count: number; completed_at: string; started_at: string; session_id: string }>(
    // It may read many rows to find the next batch. In this lane no save waits for it.
    { text, values, lane: 'scan' },
    ([last]) => last !== undefined && last.count > 0,
  )
  const [last] = rows
  if (!last) return { count: 0, next: undefined }
  return { count: last.count, next: [last.completed_at, last.started_at, last.session_id] }
}

function conditionSql(reach: Reach, { completedBefore, statuses, userId, stream }: PruneFilter): Prisma.Sql {
  const before =
    completedBefore instanceof Date
      ? Prisma.sql`${completedBefore}::timestamptz`
      : Prisma.sql`crawler.clock() - ${completedBefore.daysAgo}::integer * interval '24 hours'`
  const conditions = [
    reachSql(Prisma.sql`s.user_id`, reach),
    Prisma.sql`s.completed_at IS NOT NULL`,
    // In a subquery of its own the clock is read once, and the index can be used.
    Prisma.sql`coalesce(s.completed_at, '-infinity'::timestamptz) < (SELECT least(${before}, crawler.clock() - interval '24 hours'))`,
    Prisma.sql`crawler.known_status(s.status) <> 'running'`,
  ]
  if (statuses) conditions.push(Prisma.sql`crawler.known_status(s.status) = ANY (${[...statuses]}::text[])`)
  if (userId !== undefined) conditions.push(Prisma.sql`s.user_id = ${userId}`)
  if (stream !== undefined) conditions.push(Prisma.sql`s.stream = ${stream}`)
  return Prisma.join(conditions, ' AND ')
}
