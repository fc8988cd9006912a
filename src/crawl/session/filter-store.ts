import { Prisma } from '../../database/generated/client.ts'
import { reachSql } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Platform } from '../../stream/platforms/platform.ts'
import { platformSql } from '../../stream/store.ts'
import type { EndReason, SessionStatus } from './model.ts'
import { STALL_REASONS, stalledSql, type StallReason } from './stall.ts'

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
  /** true: stalled for any reason; false: not stalled. */
  readonly stalled: boolean | undefined
  /** undefined: stalled or not; an empty list: none. */
  readonly stallReasons?: readonly StallReason[] | undefined
  /** undefined: ended by whatever, or running; an empty list: none. */
  readonly endReasons?: readonly EndReason[] | undefined
  readonly worker?: string | undefined
  /** true: running, and the platform lets the crawler continue only later; false: all others. */
  readonly rateLimited?: boolean | undefined
  /** Running, or completed after this. */
  readonly activeAfter?: Date | undefined
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
  if (filter.stalled !== undefined) conditions.push(isOrNot(filter.stalled, stalledSql(STALL_REASONS)))
  if (filter.stallReasons) conditions.push(stalledSql(filter.stallReasons))
  if (filter.endReasons?.length === 1) {
    conditions.push(Prisma.sql`s.end_reason = ${filter.endReasons[0]}`)
  } else if (filter.endReasons) {
    conditions.push(Prisma.sql`s.end_reason = ANY (${[...filter.endReasons]}::text[])`)
  }
  if (filter.worker !== undefined) conditions.push(Prisma.sql`s.worker = ${filter.worker}`)
  if (filter.rateLimited !== undefined) conditions.push(isOrNot(filter.rateLimited, RATE_LIMITED))
  if (filter.activeAfter) conditions.push(Prisma.sql`(${RUNNING} OR ${COMPLETED_AT} > ${filter.activeAfter})`)
  return Prisma.join(conditions, ' AND ')
}

const RUNNING = Prisma.sql`crawler.known_status(s.status) = 'running'`
// Saves write rate_limited_until, so no index may have it. The status indexes hold the running sessions in order.
const RATE_LIMITED = Prisma.sql`(${RUNNING} AND coalesce(s.rate_limited_until > (SELECT crawler.clock()), false))`

/** @param condition one that is never NULL */
const isOrNot = (wanted: boolean, condition: Prisma.Sql) => (wanted ? condition : Prisma.sql`NOT ${condition}`)
