import type { Database } from '../../database/database.ts'
import type { Prisma } from '../../database/generated/client.ts'
import { reachArray, reachWhere } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CrawlSession } from './model.ts'
import { sessionColumns } from './row.ts'

/** The sessions that exist with these IDs, in no particular order. */
export function findSessions(database: Database, reach: Reach, sessionIds: readonly string[]): Promise<CrawlSession[]> {
  return database.query<CrawlSession>({
    name: 'sessions_by_id',
    text: `SELECT ${sessionColumns.selected('s')} FROM crawler.crawl_session s
      WHERE s.session_id = ANY ($1::text[]) AND ($2::text[] IS NULL OR s.user_id = ANY ($2))`,
    values: [sessionIds, reachArray(reach)],
  })
}

/**
 * The session with this ID; null: there is none within reach.
 * @param query the relations to read with it
 */
export function findSession(
  { prisma }: Database,
  reach: Reach,
  sessionId: string,
  query: { readonly include?: Prisma.CrawlSessionInclude | null | undefined } = {},
) {
  return prisma.crawlSession.findUnique({ ...query, where: { sessionId, ...reachWhere(reach) } })
}

/** The session of a user's stream that started last, leaving out one. */
export async function findLatestSession(
  { prisma }: Database,
  reach: Reach,
  { userId, stream }: { readonly userId: string; readonly stream: string },
  exceptSessionId = '',
) {
  return prisma.crawlSession.findFirst({
    where: { userId, stream, sessionId: { not: exceptSessionId }, ...reachWhere(reach) },
    orderBy: [{ startedAt: 'desc' }, { sessionId: 'desc' }],
  })
}

/** Ends the sessions whose lease has run out. @returns how many */
export async function reapSessions(database: Database): Promise<number> {
  const reap = { name: 'session_reap', text: 'SELECT crawler.reap() AS reaped', values: [] }
  const countOf = ([row]: { reaped: number }[]) => row?.reaped ?? 0
  return countOf(await database.write<{ reaped: number }>(reap, (rows) => countOf(rows) > 0))
}

/** The sessions that hold a lease, whichever replica they were started at. */
export interface LiveLeases {
  readonly count: number
  /**
   * How long ago the oldest lease ran out, seconds; 0: none has. A reaper ends such a session within a second or two.
   */
  readonly overdueSeconds: number
}

/** Counts the leases. It reads only the index of running sessions. */
export async function countLiveLeases(database: Database): Promise<LiveLeases> {
  const [row] = await database.query<{ count: number; overdue: number }>({
    name: 'session_leases',
    text: `SELECT count(*)::integer AS count,
        greatest(extract(epoch FROM crawler.clock() - min(lease_expires_at)), 0)::float8 AS overdue
      FROM crawler.crawl_session WHERE status = 'running' AND epoch > 0`,
    values: [],
  })
  return { count: row?.count ?? 0, overdueSeconds: row?.overdue ?? 0 }
}
