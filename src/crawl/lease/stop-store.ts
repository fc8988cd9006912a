import type { Batch } from '../../database/batches.ts'
import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { timeTextSql } from '../../database/time-column.ts'
import type { Reach } from '../../identity/principal.ts'
import { conditionSql, type SessionFilter } from '../session/filter-store.ts'

/** The most sessions that one statement asks to stop. Saves of these wait for its commit. */
export const MAX_STOPPED_AT_ONCE = 250

/** Which running sessions to ask, and why. */
export interface StopQuestion {
  readonly filter: SessionFilter
  readonly reason: string | undefined
}

/** Where a batch ended. */
export type StopPosition = readonly [startedAt: string, sessionId: string]

/**
 * Asks all running sessions that match, if there are at most MAX_STOPPED_AT_ONCE and as many as expected. It counts and
 * asks in one statement, under the locks of the rows.
 * @param expected undefined: any number
 * @returns the number that match, MAX_STOPPED_AT_ONCE + 1 if there are more, and the number that were asked now
 */
export async function stopAtOnce(
  database: Database,
  reach: Reach,
  { filter, reason }: StopQuestion,
  expected: number | undefined,
): Promise<{ matched: number; requested: number }> {
  const { text, values } = Prisma.sql`WITH matching AS MATERIALIZED (
      SELECT s.session_id, s.stop_requested_at IS NULL AS is_new FROM crawler.crawl_session s
      WHERE ${runningSql(reach, filter)} ORDER BY s.started_at, s.session_id LIMIT ${MAX_STOPPED_AT_ONCE + 1} FOR UPDATE
    ), counted AS MATERIALIZED (SELECT count(*)::integer AS matched FROM matching), asked AS (
      UPDATE crawler.crawl_session s SET ${askedSql(reason)} FROM matching m, counted c
      WHERE s.session_id = m.session_id AND m.is_new AND c.matched <= ${MAX_STOPPED_AT_ONCE}::integer
        AND c.matched = coalesce(${expected ?? null}::integer, c.matched)
      RETURNING 1
    )
    SELECT c.matched, (SELECT count(*) FROM asked)::integer AS requested FROM counted c`
  const [row] = await database.write<{ matched: number; requested: number }>(
    { text, values, lane: 'scan' },
    ([counts]) => counts !== undefined && counts.requested > 0,
  )
  if (!row) throw new Error('an aggregate answered nothing')
  return row
}

/** Asks the first of the running sessions that match and were not asked, after a position, oldest start first. */
export async function stopBatch(
  database: Database,
  reach: Reach,
  { filter, reason }: StopQuestion,
  after: StopPosition | undefined,
): Promise<Batch<StopPosition>> {
  const position = after
    ? Prisma.sql`(s.started_at, s.session_id) > (${after[0]}::timestamptz, ${after[1]})`
    : Prisma.sql`TRUE`
  const { text, values } = Prisma.sql`WITH chosen AS MATERIALIZED (
      SELECT s.session_id, s.started_at FROM crawler.crawl_session s
      WHERE ${runningSql(reach, filter)} AND s.stop_requested_at IS NULL AND ${position}
      ORDER BY s.started_at, s.session_id LIMIT ${MAX_STOPPED_AT_ONCE} FOR UPDATE
    ), asked AS (
      UPDATE crawler.crawl_session s SET ${askedSql(reason)} FROM chosen c WHERE s.session_id = c.session_id RETURNING 1
    )
    SELECT (SELECT count(*) FROM asked)::integer AS count, ${STARTED_AT_TEXT} AS started_at, s.session_id
    FROM chosen s ORDER BY s.started_at DESC, s.session_id DESC LIMIT 1`
  const [last] = await database.write<{ count: number; started_at: string; session_id: string }>(
    { text, values, lane: 'scan' },
    (rows) => rows.length > 0,
  )
  return last ? { count: last.count, next: [last.started_at, last.session_id] } : { count: 0, next: undefined }
}

const STARTED_AT_TEXT = Prisma.raw(timeTextSql('s.started_at'))

const runningSql = (reach: Reach, filter: SessionFilter) =>
  Prisma.sql`crawler.known_status(s.status) = 'running' AND ${conditionSql(reach, filter)}`

const askedSql = (reason: string | undefined) =>
  Prisma.sql`stop_requested_at = crawler.clock(), stop_reason = ${reason ?? null}`
