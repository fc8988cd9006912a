import { Prisma } from '../../database/generated/client.ts'
import { type LeaseClock, leaseTime } from '../../database/lease-time.ts'
import { type CrawlSession, isLive } from './model.ts'

/** LOOP goes before NO_PROGRESS. */
export const STALL_REASONS = ['NO_PROGRESS', 'LOOP'] as const
export type StallReason = (typeof STALL_REASONS)[number]

/** For how many leases the position of a live session may stand still before the session counts as stalled. */
const STALLED_AFTER_LEASES = 5
/** How often a page token must come back, and how many saves without an item must follow each other. */
const LOOP_AFTER_HITS = 3
const LOOP_AFTER_EMPTY_SAVES = 100

/**
 * Why a live session makes no progress; null: it is not stalled. LOOP: its page tokens go round, or it saves without an
 * item for ever. NO_PROGRESS: neither position nor token has moved for 5 leases, and it is not rate limited. In SQL it
 * is crawler.stall_reason.
 */
export function stallReasonOf(session: CrawlSession, clock: LeaseClock): StallReason | null {
  if (!isLive(session, clock)) return null
  if (session.loopHits >= LOOP_AFTER_HITS || session.emptySaves >= LOOP_AFTER_EMPTY_SAVES) return 'LOOP'
  const { leaseSeconds, rateLimitedUntil } = session
  if (leaseSeconds === null || (rateLimitedUntil && rateLimitedUntil > clock.now())) return null
  const movedAt = session.positionMovedAt ?? session.startedAt
  const isStill = leaseTime(clock).getTime() - movedAt.getTime() > STALLED_AFTER_LEASES * leaseSeconds * 1000
  return isStill ? 'NO_PROGRESS' : null
}

/**
 * The same in SQL: whether a row `s` of crawl_session is stalled for one of the reasons. If stalled sessions are asked
 * for, only running ones are read. It is never NULL, so NOT can be put before it.
 */
export function stalledSql(reasons: readonly StallReason[]): Prisma.Sql {
  return Prisma.sql`(${IS_LIVE} AND coalesce(${REASON} = ANY (${[...reasons]}::text[]), false))`
}

// In subqueries of their own the clocks are read once.
const NOW = Prisma.sql`(SELECT crawler.clock())`
const LEASE_NOW = Prisma.sql`(SELECT crawler.lease_clock())`
// Matches the status indexes, which are already in the list's order. With crawl_session_leased all live sessions would
// be sorted. coalesce(): nearly all ended sessions have epoch 0, and the planner would expect that of the running ones
// too.
const IS_LIVE = Prisma.sql`crawler.known_status(s.status) = 'running' AND coalesce(s.epoch, 0) > 0
  AND coalesce(crawler.lease_end(s.lease_expires_at, s.lease_seconds, s.heartbeat_at) > ${LEASE_NOW}, false)`
const REASON = Prisma.sql`crawler.stall_reason(s.loop_hits, s.empty_saves, s.lease_seconds,
  coalesce(s.position_moved_at, s.started_at), ${LEASE_NOW}, s.rate_limited_until, ${NOW})`
