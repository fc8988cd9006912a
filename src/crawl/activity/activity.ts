import type { Principal } from '../../identity/principal.ts'
import type { DatabaseClock } from '../../database/clock.ts'
import type { Database } from '../../database/database.ts'
import { Fault } from '../../errors/fault.ts'
import { type ActivityCounts, type ActivityFilter, countActivity } from './store.ts'

export const BUCKET_SECONDS = { MINUTE: 60, HOUR: 3_600, DAY: 86_400 } as const
export type TimeBucket = keyof typeof BUCKET_SECONDS

export interface ActivityBucket extends ActivityCounts {
  /** When it begins: a whole UTC minute, hour or day. */
  readonly start: Date
}

export interface ActivityQuestion extends ActivityFilter {
  readonly from: Date
  readonly to: Date
  readonly bucket: TimeBucket
}

const MAX_BUCKETS = 500
const DAY_MS = 86_400_000
const NOTHING: ActivityCounts = {
  bookmarksAdded: 0,
  saves: 0,
  sessionsStarted: 0,
  sessionsCompleted: 0,
  sessionsStopped: 0,
  sessionsFailed: 0,
}

/**
 * Counts what happened in each bucket of [from, to). `from` is rounded down to the start of a bucket; `to` is exclusive
 * and rounded up. Empty buckets are included, so that a chart can draw the result as it is.
 * Retention prunes whole UTC days (maintenance/retention.ts), so the first bucket is complete wherever `from` lies.
 * Sessions that were pruned are not counted.
 * @throws Fault BAD_USER_INPUT if `to` is not after `from`, for more than 500 buckets, or if `from` is before the
 *   history that is promised
 */
export async function activity(
  parts: { readonly database: Database; readonly clock: DatabaseClock; readonly historyRetentionDays: number },
  caller: Principal,
  { from, to, bucket, ...filter }: ActivityQuestion,
): Promise<ActivityBucket[]> {
  if (to <= from) throw new Fault('BAD_USER_INPUT', 'to must be later than from.')
  const bucketMs = BUCKET_SECONDS[bucket] * 1000
  const firstMs = Math.floor(from.getTime() / bucketMs) * bucketMs
  const count = Math.ceil((to.getTime() - firstMs) / bucketMs)
  if (count > MAX_BUCKETS) {
    throw new Fault(
      'BAD_USER_INPUT',
      `These are ${count} buckets and ${MAX_BUCKETS} are the most: ask for larger ones or for less time.`,
    )
  }
  const earliest = new Date(parts.clock.now().getTime() - parts.historyRetentionDays * DAY_MS)
  if (from < earliest) {
    throw new Fault(
      'BAD_USER_INPUT',
      `from must not be before ${earliest.toISOString()}: the history is kept for ${parts.historyRetentionDays} days.`,
    )
  }
  const range = { start: new Date(firstMs), bucketSeconds: BUCKET_SECONDS[bucket], count }
  const counted = await countActivity(parts.database, caller.userIds, range, filter)
  return Array.from({ length: count }, (_, place) => ({
    start: new Date(firstMs + place * bucketMs),
    ...(counted.get(place) ?? NOTHING),
  }))
}
