import type { Database } from '../database/database.ts'
import { reachArray } from '../database/reach.ts'
import type { Reach } from '../principal.ts'
import type { CrawlSession } from './model.ts'
import { SESSION_COLUMNS, type SessionRow, toSession } from './row.ts'

/** The stored ones among the IDs, in no order. */
export async function findSessions(
  database: Database,
  reach: Reach,
  sessionIds: readonly string[],
): Promise<CrawlSession[]> {
  const rows = await database.query<SessionRow>({
    name: 'sessions_by_id',
    text: `SELECT ${SESSION_COLUMNS} FROM crawler.crawl_session s
      WHERE s.session_id = ANY ($1::text[]) AND ($2::text[] IS NULL OR s.user_id = ANY ($2))`,
    values: [sessionIds, reachArray(reach)],
  })
  return rows.map(toSession)
}

export async function findSession(
  database: Database,
  reach: Reach,
  sessionId: string,
): Promise<CrawlSession | undefined> {
  const [session] = await findSessions(database, reach, [sessionId])
  return session
}

/** The session of a (user, stream) that started last, leaving out one. */
export async function findLatestSession(
  database: Database,
  reach: Reach,
  { userId, stream }: { readonly userId: string; readonly stream: string },
  exceptSessionId = '',
): Promise<CrawlSession | undefined> {
  const rows = await database.query<SessionRow>({
    name: 'session_latest',
    text: `SELECT ${SESSION_COLUMNS} FROM crawler.crawl_session s
      WHERE s.user_id = $1 AND s.stream = $2 AND s.session_id <> $3 AND ($4::text[] IS NULL OR s.user_id = ANY ($4))
      ORDER BY s.started_at DESC, s.session_id DESC LIMIT 1`,
    values: [userId, stream, exceptSessionId, reachArray(reach)],
  })
  return rows.map(toSession)[0]
}

/** Ends the sessions whose lease has run out; answers how many. */
export async function reapSessions(database: Database): Promise<number> {
  const reap = { name: 'session_reap', text: 'SELECT crawler.reap() AS reaped', values: [] }
  const countOf = ([row]: { reaped: number }[]) => row?.reaped ?? 0
  return countOf(await database.write<{ reaped: number }>(reap, (rows) => countOf(rows) > 0))
}

/** Sessions that hold a lease, whichever replica they were started at, and for how long the oldest lease has been over, seconds. */
export interface LiveLeases {
  readonly count: number
  /** 0: none is. A reaper ends them within a second or two. */
  readonly overdueSeconds: number
}

/** Reads the index of running sessions. */
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
