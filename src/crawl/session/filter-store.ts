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
  /** undefined: any; an empty list: none. */
  readonly statuses: readonly SessionStatus[] | undefined
  /** Exclusive, both. */
  readonly startedBefore: Date | undefined
  readonly startedAfter: Date | undefined
  /** Exclusive, both; a running session has not completed, before or after anything. */
  readonly completedBefore: Date | undefined
  readonly completedAfter: Date | undefined
  /** Alive, but the position has not moved for 5 leases, and it is not rate limited. */
  readonly stalled: boolean | undefined
}

/** As the index crawl_session_completed has it. */
export const COMPLETED_AT = Prisma.sql`coalesce(s.completed_at, '-infinity'::timestamptz)`

/** What must hold of a row `s` of crawl_session. */
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

/** isStalled (model.ts) in SQL. Only running sessions are looked at where stalled ones are asked for. */
function stalledSql(stalled: boolean): Prisma.Sql {
  // As the indexes by status have it, which are in order, and not as crawl_session_leased: of that all live sessions would be sorted. coalesce():
  // nearly all others have epoch 0, and the planner would think that of the running ones too.
  const condition = Prisma.sql`(crawler.known_status(s.status) = 'running' AND coalesce(s.epoch, 0) > 0
    AND coalesce(s.lease_expires_at > crawler.clock(), false) AND coalesce(s.rate_limited_until <= crawler.clock(), true)
    AND crawler.clock() - coalesce(s.position_moved_at, s.started_at) > ${STALLED_AFTER_LEASES}::integer * s.lease_seconds * interval '1 second')`
  return stalled ? condition : Prisma.sql`NOT ${condition}`
}
