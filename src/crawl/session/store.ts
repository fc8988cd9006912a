import type { Database } from '../../database/database.ts'
import type { LeaseOutage } from '../../database/lease-time.ts'
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

/** What a reaper did, and which time it saw. */
export interface Reaping {
  /** Sessions that it ended. */
  readonly reaped: number
  /** Sessions of which the feeds were told that they stalled or recovered. */
  readonly told: number
  /** Whether more may be due: one call looks at 1,000 sessions at most. */
  readonly isFull: boolean
  /** The lease clock, in seconds since 1970; null: another reaper was at work, and this one did not look. */
  readonly leaseSeconds: number | null
  /** How far the lease clock is ahead of the database's clock, milliseconds; null as above. */
  readonly leaseAheadMs: number | null
  /** The last outage; null: there was none. Null as above too. */
  readonly outage: LeaseOutage | null
}

interface TickRow extends Omit<Reaping, 'outage'> {
  readonly aliveAfter: Date | null
  readonly aliveAgainAt: Date | null
}

/**
 * Ends the sessions whose lease has run out, and tells the feeds which have stalled. Notices if the database's clock
 * has gone back. If another reaper looked less than 0.9 s ago, it only reads when that was.
 * @param expectedLeaseSeconds the least that the lease clock should be, as counted since the last look; -Infinity: this
 *   is the first look of the process; null: it found another reaper at work each time
 * @param again looks in any case: the call before left work
 */
export async function reapSessions(
  database: Database,
  expectedLeaseSeconds: number | null,
  again = false,
): Promise<Reaping> {
  const [row] = await database.write<TickRow>(
    {
      name: 'session_tick',
      text: `SELECT reaped, told, is_full AS "isFull", lease_seconds AS "leaseSeconds", lease_ahead_ms AS "leaseAheadMs",
          alive_after AS "aliveAfter", alive_again_at AS "aliveAgainAt"
        FROM crawler.reaper_tick(to_timestamp($1::float8), $2)`,
      values: [expectedLeaseSeconds, again],
    },
    // A look that ends an outage ends sessions that it does not count.
    ([tick]) => tick !== undefined && (tick.reaped + tick.told > 0 || endsOutage(tick)),
  )
  if (!row) throw new Error('a function answered no row')
  const { aliveAfter, aliveAgainAt, ...tick } = row
  return { ...tick, outage: aliveAfter && aliveAgainAt ? { aliveAfter, aliveAgainAt } : null }
}

function endsOutage({ leaseSeconds, aliveAgainAt }: TickRow): boolean {
  // A millisecond: JavaScript's times have no microseconds.
  return leaseSeconds !== null && aliveAgainAt !== null && aliveAgainAt.getTime() + 1 >= leaseSeconds * 1_000
}

/** The sessions that hold a lease, whichever replica they were started at. */
export interface LiveLeases {
  readonly count: number
  /**
   * How long ago the oldest lease ran out, seconds; 0: none has. A reaper ends such a session within a second or two.
   */
  readonly overdueSeconds: number
}

/** Counts the leases. It reads only the index of running sessions, and the first entry of what reapers look at. */
export async function countLiveLeases(database: Database): Promise<LiveLeases> {
  const [row] = await database.query<{ count: number; overdue: number }>({
    name: 'session_live_leases',
    text: `SELECT count(*)::integer AS count,
        greatest(extract(epoch FROM crawler.lease_clock() - (SELECT min(l.look_at) FROM crawler.lease_look l)), 0)::float8 AS overdue
      FROM crawler.crawl_session WHERE status = 'running' AND epoch > 0`,
    values: [],
  })
  return { count: row?.count ?? 0, overdueSeconds: row?.overdue ?? 0 }
}
