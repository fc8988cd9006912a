import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'

/** How long partitions that are old enough have been waiting to be retired, seconds; 0: none is. */
export async function readPartitionsOverdue(
  database: Database,
  { name, keepHours }: { readonly name: string; readonly keepHours: number },
): Promise<number> {
  const [row] = await database.query<{ seconds: number }>(Prisma.sql`
    SELECT coalesce(greatest(extract(epoch FROM crawler.clock() - ${keepHours} * interval '1 hour' - min(next.opened_at)), 0), 0)::float8 AS seconds
    FROM crawler.log_partition p JOIN crawler.log_partition next ON next.parent = p.parent AND next.first_id = p.end_id
    WHERE p.parent = ${name}`)
  return row?.seconds ?? 0
}

/** How long ago the oldest session that ended should have been deleted, seconds; 0: all of them were. */
export async function readSessionsOverdue(database: Database, retentionDays: number): Promise<number> {
  const [row] = await database.query<{ seconds: number }>(Prisma.sql`
    SELECT greatest(extract(epoch FROM crawler.clock() - ${retentionDays}::integer * interval '24 hours' - oldest.at), 0)::float8 AS seconds
    FROM (SELECT coalesce(s.completed_at, '-infinity'::timestamptz) AS at FROM crawler.crawl_session s
      WHERE coalesce(s.completed_at, '-infinity'::timestamptz) > '-infinity'
      ORDER BY coalesce(s.completed_at, '-infinity'::timestamptz), s.started_at, s.session_id LIMIT 1) AS oldest`)
  return row?.seconds ?? 0
}
