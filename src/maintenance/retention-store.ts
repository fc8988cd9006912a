import { type Batch, MAX_BATCH_SIZE } from '../database/batches.ts'
import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'
import type { HistoryRetention } from '../crawl/history/retention.ts'

/** An item list this young may belong to a save that is not committed yet. */
const LIST_GRACE = Prisma.sql`interval '1 hour'`

/**
 * A condition that is true for one replica at a time, until the end of its statement's transaction. If it is false, the
 * statement reads and locks nothing.
 */
export const isPruner = Prisma.sql`(SELECT pg_try_advisory_xact_lock(hashtextextended('waymark retention', 0)))`

export type KeyPosition = readonly [userId: string, stream: string]

/** A batch of revisions. */
export interface HistoryBatch extends Batch<KeyPosition> {
  /** How long ago the oldest of them should have been deleted, seconds. */
  readonly overdueSeconds: number
}

const DAY_SECONDS = 86_400

/**
 * Deletes one batch of old revisions, of the first keys after a position. Old are those that are neither among the
 * newest `keepRevisions` of their (user, stream) nor younger than `retentionDays`.
 * The oldest revisions of a key always go first, so that what is kept has no gap. Only whole UTC days go, so that a
 * chart's first bucket is complete. A key without old revisions costs one index entry: its oldest revision shows it.
 */
export async function deleteOldRevisions(
  database: Database,
  { keepRevisions, retentionDays }: HistoryRetention,
  after: KeyPosition | undefined,
): Promise<HistoryBatch> {
  const position = after ? Prisma.sql`(st.user_id, st.stream) > (${after[0]}, ${after[1]})` : Prisma.sql`TRUE`
  // Where a move skipped versions, the newest are not those with the highest numbers in a row.
  const newestKept = Prisma.sql`(SELECT n.version FROM crawler.checkpoint_revision n
    WHERE n.user_id = k.user_id AND n.stream = k.stream ORDER BY n.version DESC OFFSET ${keepRevisions}::integer LIMIT 1)`
  const oldest = (limit: number) => Prisma.sql`
    SELECT r.version, r.recorded_at < bound.day AND r.version <= k.version - ${keepRevisions}::integer
      AND (NOT k.has_skips OR r.version <= coalesce(${newestKept}, 0)) AS is_old
    FROM crawler.checkpoint_revision r WHERE r.user_id = k.user_id AND r.stream = k.stream ORDER BY r.version LIMIT ${limit}`
  const rows = await database.query<{ count: number; overdue: number; user_id: string; stream: string }>(Prisma.sql`
    WITH bound AS MATERIALIZED (
      SELECT date_trunc('day', crawler.clock() - ${retentionDays}::integer * interval '24 hours', 'UTC') AS day
    ), keys AS MATERIALIZED (
      -- The version is the newest revision's.
      -- Not EXISTS, which may read the whole table.
      SELECT st.user_id, st.stream, st.version, (SELECT true FROM crawler.checkpoint_revision f
        WHERE f.user_id = st.user_id AND f.stream = st.stream AND f.follows_version IS NOT NULL LIMIT 1) IS NOT NULL AS has_skips
      FROM crawler.crawl_state st
      WHERE ${isPruner} AND ${position} ORDER BY st.user_id, st.stream LIMIT ${MAX_BATCH_SIZE}
    ), chosen AS MATERIALIZED (
      SELECT k.user_id, k.stream, ranked.version
      FROM bound CROSS JOIN keys k
        CROSS JOIN LATERAL (${oldest(1)}) AS first
        CROSS JOIN LATERAL (
          SELECT o.version, bool_and(o.is_old) OVER (ORDER BY o.version) AS is_old FROM (${oldest(MAX_BATCH_SIZE)}) AS o
        ) AS ranked
      WHERE first.is_old AND ranked.is_old
      ORDER BY k.user_id, k.stream, ranked.version LIMIT ${MAX_BATCH_SIZE}
    ), deleted AS (
      DELETE FROM crawler.checkpoint_revision r USING chosen c
      WHERE r.user_id = c.user_id AND r.stream = c.stream AND r.version = c.version
      -- Up to a day late is in time: only whole days go.
      RETURNING extract(epoch FROM (SELECT day FROM bound) - r.recorded_at)::float8 - ${DAY_SECONDS} AS overdue
    )
    SELECT (SELECT count(*) FROM deleted)::integer AS count,
      (SELECT greatest(max(overdue), 0) FROM deleted)::float8 AS overdue, k.user_id, k.stream
    FROM keys k ORDER BY k.user_id DESC, k.stream DESC LIMIT 1`)
  const [last] = rows
  if (!last) return { count: 0, overdueSeconds: 0, next: undefined }
  // A full batch may have left old revisions of these keys.
  const isFull = last.count === MAX_BATCH_SIZE
  return {
    count: last.count,
    overdueSeconds: last.overdue,
    next: isFull ? (after ?? ['', '']) : [last.user_id, last.stream],
  }
}

/**
 * Deletes heads and anchors that nothing refers to, of the first batch of lists after a position. If a revision (a
 * rollback) begins to refer to one at this very moment, its foreign key protects the list and fails the batch.
 */
export async function deleteUnusedLists(database: Database, after: string | undefined): Promise<Batch<string>> {
  const [last] = await database.query<{ count: number; list_id: string }>(Prisma.sql`
    WITH seen AS MATERIALIZED (
      SELECT l.list_id FROM crawler.item_list l
      WHERE ${isPruner} AND l.list_id > ${after ?? '0'}::bigint ORDER BY l.list_id LIMIT ${MAX_BATCH_SIZE}
    ), unused AS MATERIALIZED (
      -- Not one that a revision still to be committed refers to: its foreign key holds the row.
      SELECT l.list_id FROM crawler.item_list l
      WHERE l.list_id IN (SELECT seen.list_id FROM seen) AND l.recorded_at < (SELECT crawler.clock() - ${LIST_GRACE})
        AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.head_list_id = l.list_id)
        AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.anchor_list_id = l.list_id)
        AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.catch_up_head_list_id = l.list_id)
      FOR UPDATE OF l SKIP LOCKED
    ), deleted AS (
      DELETE FROM crawler.item_list l USING unused u
      WHERE l.list_id = u.list_id
        AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.head_list_id = u.list_id)
        AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.anchor_list_id = u.list_id)
        AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.catch_up_head_list_id = u.list_id)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM deleted)::integer AS count, max(seen.list_id) AS list_id FROM seen HAVING count(*) > 0`)
  return last ? { count: last.count, next: last.list_id } : { count: 0, next: undefined }
}
