import { Prisma } from '../../database/generated/client.ts'
import { reachSql } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Platform } from '../../stream/platforms/platform.ts'
import { platformSql } from '../../stream/store.ts'
import { type SessionStatus, STALLED_AFTER_LEASES } from './model.ts'

export interface SessionFilter {
  readonly userId: string | undefined
  readonly stream: string | undefined
  readonly platform: Platform | undefined
  /** undefined: any status; an empty list: none. */
  readonly statuses: readonly SessionStatus[] | undefined
  /** Both bounds are exclusive. */
  readonly startedBefore: Date | undefined
  readonly startedAfter: Date | undefined
  /** Both bounds are exclusive. A running session has not completed, so it matches neither. */
  readonly completedBefore: Date | undefined
  readonly completedAfter: Date | undefined
  /** Alive and not rate limited, but the position has not moved for 5 leases. */
  readonly stalled: boolean | undefined
}

/** The same expression as in the index crawl_session_completed. */
export const COMPLETED_AT = Prisma.sql`coalesce(s.completed_at, '-infinity'::timestamptz)`

/** The condition on a row `s` of crawl_session. */
export function conditionSql(reach: Reach, filter: SessionFilter): Prisma.Sql {
  const conditions: Prisma.Sql[] = [reachSql(Prisma.sql`s.user_id`, reach)]
  if (filter.userId !== undefined) conditions.push(Prisma.sql`s.user_id = ${filter.userId}`)
  if (filter.stream !== undefined) conditions.push(Prisma.sql`s.stream = ${filter.stream}`)
  if (filter.platform) conditions.push(platformSql(filter.platform, 's'))
  if (filter.statuses?.length === 1) {
    conditions.push(Prisma.sql`crawler.known_status(s.status) = ${filter.statuses[0]}`)
  } else if (filter.statuses) {
    conditions.push(Prisma.sql`crawler.known_status(s.status) = ANY (${[...filter.statuses]}::text[])`)
  }
  if (filter.startedBefore) conditions.push(Prisma.sql`s.started_at < ${filter.startedBefore}`)
  if (filter.startedAfter) conditions.push(Prisma.sql`s.started_at > ${filter.startedAfter}`)
  if (filter.completedBefore) {
    conditions.push(Prisma.sql`${COMPLETED_AT} < ${filter.completedBefore} AND s.completed_at IS NOT NULL`)
  }
  if (filter.completedAfter) conditions.push(Prisma.sql`${COMPLETED_AT} > ${filter.completedAfter}`)
  if (filter.stalled !== undefined) conditions.push(stalledSql(filter.stalled))
  return Prisma.join(conditions, ' AND ')
}

/** isStalled (model.ts) in SQL. If stalled sessions are asked for, only running ones are read. */
function stalledSql(stalled: boolean): Prisma.Sql {
  // Matches the status indexes, which are already in the list's order. With crawl_session_leased all live sessions
  // would be sorted. coalesce(): nearly all ended sessions have epoch 0, and the planner would expect that of the
  // running ones too.
  const condition = Prisma.sql`(crawler.known_status(s.status) = 'running' AND coalesce(s.epoch, 0) > 0
    AND coalesce(s.lease_expires_at > crawler.clock(), false) AND coalesce(s.rate_limited_until <= crawler.clock(), true)
    AND crawler.clock() - coalesce(s.position_moved_at, s.started_at) > ${STALLED_AFTER_LEASES}::integer * s.lease_seconds * interval '1 second')`
  return stalled ? condition : Prisma.sql`NOT ${condition}`
}
