import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page } from '../../database/keyset.ts'
import { reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import { timeTextSql } from '../../database/time-column.ts'
import type { Reach } from '../../identity/principal.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import type { Platform } from '../../stream/platforms/platform.ts'
import { platformSql } from '../../stream/store.ts'
import type { Checkpoint, LiteralCheckpoint } from './model.ts'
import { type CheckpointReading, type CheckpointRow, READINGS, toCheckpoint } from './row.ts'

export interface CheckpointFilter {
  readonly userId: string | undefined
  readonly stream: string | undefined
  readonly platform: Platform | undefined
  /** Both bounds are exclusive. */
  readonly crawledBefore: Date | undefined
  readonly crawledAfter: Date | undefined
  /** Exclusive. What never completed matches. */
  readonly completedBefore: Date | undefined
  /** Whether a live session owns the list. */
  readonly running: boolean | undefined
  readonly paused: boolean | undefined
  readonly complete: boolean | undefined
}

/**
 * CRAWLED: by lastCrawledAt. COMPLETED: by lastCompletedAt; what never completed counts as completed before all time.
 */
export interface CheckpointOrder {
  readonly by: 'CRAWLED' | 'COMPLETED'
  readonly direction: Direction
}

/** The same expression as in the indexes of crawl_state. */
const COMPLETED_AT = Prisma.sql`coalesce(st.last_completed_at, '-infinity'::timestamptz)`

/** The keys are columns of the table that a list is read from, so that an index has its order. */
const ORDERS = {
  CRAWLED: {
    key: [Prisma.sql`c.last_crawled_at`, Prisma.sql`c.user_id`, Prisma.sql`c.stream`],
    timeText: timeTextSql('c.last_crawled_at'),
  },
  COMPLETED: {
    key: [COMPLETED_AT, Prisma.sql`st.user_id`, Prisma.sql`st.stream`],
    timeText: `coalesce(${timeTextSql('st.last_completed_at')}, '-infinity')`,
  },
}

/**
 * A page of checkpoints by the order's time, userId and stream. A checkpoint that is saved or completed while a client
 * pages may be missed or met twice.
 */
export async function listCheckpoints(
  database: Database,
  reach: Reach,
  filter: CheckpointFilter,
  { by, direction }: CheckpointOrder,
  page: KeysetPage,
  reading: CheckpointReading,
): Promise<Page<LiteralCheckpoint | Checkpoint>> {
  const { key, timeText } = ORDERS[by]
  const hasState = by === 'COMPLETED' || asksForState(filter)
  const { columns, join } = READINGS[reading]
  const rows = await database.query<(LiteralCheckpoint | CheckpointRow) & { timeText: string }>(
    Prisma.sql`SELECT ${Prisma.raw(columns)}, ${Prisma.raw(timeText)} AS "timeText"
      FROM ${tablesSql(filter, hasState ? STATE_JOIN : join)}
      WHERE ${conditionSql(reach, filter, by === 'COMPLETED' ? 'st' : 'c')} AND ${keysetSql.after(key, direction, page)}
      ${keysetSql.orderAndLimit(key, direction, page)}`,
  )
  return pageOf(rows, page, (row) => ({
    node: 'state' in row ? toCheckpoint(row) : row,
    position: [row.timeText, row.userId, row.stream],
  }))
}

export async function countCheckpoints(database: Database, reach: Reach, filter: CheckpointFilter): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM ${tablesSql(filter, asksForState(filter) ? STATE_JOIN : '')}
      WHERE ${conditionSql(reach, filter, 'c')}`,
  )
  return row?.count ?? 0
}

/** Each checkpoint has a state, so the planner may begin with either table. */
const STATE_JOIN = 'JOIN crawler.crawl_state st ON st.user_id = c.user_id AND st.stream = c.stream'
/** Read once for each statement. A volatile function in a condition would keep the planner from an index. */
const NOW = '(SELECT crawler.clock())'
const OWNER = `crawler.crawl_session o ON o.session_id = st.owner_session_id AND o.user_id = st.user_id AND o.stream = st.stream
  AND crawler.is_alive(o.status, o.epoch, o.lease_expires_at, o.lease_seconds, o.heartbeat_at)`
const PAUSE = `crawler.crawl_pause p ON p.user_id = c.user_id AND p.stream = c.stream AND p.until > ${NOW}`

/** Whether a condition is on crawl_state. */
function asksForState({ completedBefore, running, complete }: CheckpointFilter): boolean {
  return [completedBefore, running, complete].some((condition) => condition !== undefined)
}

/** Joins instead of EXISTS, so that the planner may begin with the few that run or are paused. */
function tablesSql({ running, paused }: CheckpointFilter, stateJoin: string): Prisma.Sql {
  const joins = ['crawler.crawl_checkpoint c', stateJoin]
  if (running !== undefined) joins.push(`${running ? '' : 'LEFT '}JOIN ${OWNER}`)
  if (paused !== undefined) joins.push(`${paused ? '' : 'LEFT '}JOIN ${PAUSE}`)
  return Prisma.raw(joins.join(' '))
}

/** @param keys the table whose keys are compared: the one that the list is read from */
function conditionSql(reach: Reach, filter: CheckpointFilter, keys: 'c' | 'st'): Prisma.Sql {
  const [userId, stream] = [Prisma.raw(`${keys}.user_id`), Prisma.raw(`${keys}.stream`)]
  const conditions: Prisma.Sql[] = [reachSql(userId, reach)]
  if (filter.userId !== undefined) conditions.push(Prisma.sql`${userId} = ${filter.userId}`)
  if (filter.stream !== undefined) conditions.push(Prisma.sql`${stream} = ${filter.stream}`)
  if (filter.platform) {
    conditions.push(platformSql(filter.platform, keys))
    // Tells the planner to skip the partition of twitter/bookmarks, since an expression prunes no partition.
    if (filter.platform.slug !== 'twitter')
      conditions.push(Prisma.sql`c.stream <> ${Prisma.raw(`'${DEFAULT_STREAM}'`)}`)
  }
  if (filter.crawledBefore) conditions.push(Prisma.sql`c.last_crawled_at < ${filter.crawledBefore}`)
  if (filter.crawledAfter) conditions.push(Prisma.sql`c.last_crawled_at > ${filter.crawledAfter}`)
  if (filter.completedBefore) conditions.push(Prisma.sql`${COMPLETED_AT} < ${filter.completedBefore}`)
  if (filter.complete !== undefined) conditions.push(Prisma.raw(`st.complete = ${String(filter.complete)}`))
  if (filter.running === false) conditions.push(Prisma.sql`o.session_id IS NULL`)
  if (filter.paused === false) conditions.push(Prisma.sql`p.user_id IS NULL`)
  return Prisma.join(conditions, ' AND ')
}
