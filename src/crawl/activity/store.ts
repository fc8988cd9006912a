import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import type { Reach } from '../../identity/principal.ts'

export interface ActivityFilter {
  readonly userId: string | undefined
  readonly stream: string | undefined
}

export interface ActivityCounts {
  /** How much the counts grew; exact up to 2^53. */
  readonly bookmarksAdded: number
  readonly saves: number
  readonly sessionsStarted: number
  readonly sessionsCompleted: number
  readonly sessionsStopped: number
  readonly sessionsFailed: number
}

/** Consecutive buckets of one length. */
export interface BucketRange {
  readonly start: Date
  readonly bucketSeconds: number
  readonly count: number
}

/**
 * Counts revisions and sessions by bucket, in one statement. Buckets in which nothing happened are left out.
 * Each part reads one range of a time index: checkpoint_revision_*recorded, crawl_session_*started,
 * crawl_session_completed.
 */
export async function countActivity(
  database: Database,
  reach: Reach,
  range: BucketRange,
  filter: ActivityFilter,
): Promise<Map<number, ActivityCounts>> {
  const start = Prisma.sql`${range.start}::timestamptz`
  const end = Prisma.sql`${start} + ${range.count * range.bucketSeconds}::integer * interval '1 second'`
  const within = (time: Prisma.Sql) => Prisma.sql`${time} >= ${start} AND ${time} < ${end}`
  const place = (time: Prisma.Sql) =>
    Prisma.sql`floor(extract(epoch FROM ${time} - ${start}) / ${range.bucketSeconds}::integer)::integer AS place`
  const chosen = Prisma.join(
    [
      reachSql(Prisma.sql`t.user_id`, reach),
      ...(filter.userId === undefined ? [] : [Prisma.sql`t.user_id = ${filter.userId}`]),
      ...(filter.stream === undefined ? [] : [Prisma.sql`t.stream = ${filter.stream}`]),
    ],
    ' AND ',
  )
  const recorded = Prisma.sql`t.recorded_at`
  const started = Prisma.sql`t.started_at`
  // The same expression as in the index.
  const completed = Prisma.sql`coalesce(t.completed_at, '-infinity'::timestamptz)`
  const rows = await scan<{ place: number } & { [Field in keyof ActivityCounts]: number }>(
    database,
    Prisma.sql`
    SELECT happened.place, sum(added)::double precision AS "bookmarksAdded", sum(saves)::integer AS saves,
      sum(started)::integer AS "sessionsStarted", sum(completed)::integer AS "sessionsCompleted",
      sum(stopped)::integer AS "sessionsStopped", sum(failed)::integer AS "sessionsFailed"
    FROM (
      SELECT ${place(recorded)}, sum(t.bookmarks_added) AS added,
        count(*) FILTER (WHERE t.source IN ('SAVE', 'IMPORT', 'EXTERNAL') AND t.last_item_id IS NOT NULL) AS saves,
        0 AS started, 0 AS completed, 0 AS stopped, 0 AS failed
      FROM crawler.checkpoint_revision t WHERE ${within(recorded)} AND ${chosen} GROUP BY 1
      UNION ALL
      SELECT ${place(started)}, 0, 0, count(*), 0, 0, 0
      FROM crawler.crawl_session t WHERE ${within(started)} AND ${chosen} GROUP BY 1
      UNION ALL
      SELECT ${place(completed)}, 0, 0, 0, count(*) FILTER (WHERE crawler.known_status(t.status) = 'completed'),
        count(*) FILTER (WHERE crawler.known_status(t.status) = 'stopped'),
        count(*) FILTER (WHERE crawler.known_status(t.status) = 'failed')
      FROM crawler.crawl_session t WHERE ${within(completed)} AND ${chosen} GROUP BY 1
    ) AS happened
    GROUP BY happened.place`,
  )
  return new Map(rows.map(({ place: at, ...counts }) => [at, counts]))
}
