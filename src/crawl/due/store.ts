import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { type KeysetPage, keysetSql, pageOf, type Page } from '../../database/keyset.ts'
import { reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import { timeTextSql } from '../../database/time-column.ts'
import { parseTimestamp } from '../../database/timestamps.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CheckpointKey } from '../checkpoint/model.ts'
import { isDue, isUnfinished, ownerAndPause } from './conditions.ts'
import type { KeptScans } from './kept-scans.ts'
import { type DueList, type DueQuery, MOST_FAILURES } from './model.ts'
import { findNeverStarted } from './never-started-store.ts'

/** What was never started counts as started then. */
const NEVER = '-infinity'

interface DueRow {
  readonly userId: string
  /** With full precision; NEVER: it was never started. */
  readonly startedText: string
}

/**
 * A page of lists that are due: those that were never started by userId, then those that were started, longest ago
 * first. The two are read one after the other, each in the order of an index.
 * @param page a forward one
 */
export async function listDue(
  database: Database,
  reach: Reach,
  kept: KeptScans,
  query: DueQuery,
  page: KeysetPage,
): Promise<Page<DueList>> {
  const rows =
    reach === 'all' ? await listOfAll(database, kept, query, page) : await listOfSome(database, reach, query, page)
  return pageOf(rows, page, ({ userId, startedText }) => ({
    node: {
      userId,
      stream: query.stream,
      lastStartedAt: startedText === NEVER ? null : parseTimestamp(startedText),
    },
    position: [startedText, userId],
  }))
}

/** How many lists are due. */
export async function countDue(database: Database, reach: Reach, query: DueQuery): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM ${usersSql(reach, query)}`,
  )
  return row?.count ?? 0
}

async function listOfAll(database: Database, kept: KeptScans, query: DueQuery, page: KeysetPage): Promise<DueRow[]> {
  const wanted = page.limit + 1
  const [startedText = NEVER, userId = ''] = page.after ?? []
  const isAmongNever = startedText === NEVER
  const never = isAmongNever ? await findNeverStarted(database, kept, query, userId, wanted) : []
  const rows = never.map((id) => ({ userId: id, startedText: NEVER }))
  if (rows.length >= wanted) return rows
  const after = isAmongNever ? undefined : page.after
  return [...rows, ...(await listStarted(database, query, { ...page, after, limit: page.limit - rows.length }))]
}

const STARTED_KEY = [Prisma.sql`st.last_started_at`, Prisma.sql`st.user_id`]

/**
 * Lists that were started, in two ranges of time. What was started before `completedBefore` and has not completed since
 * is due, so nearly all in that range are. What was started later is due only if that start did not complete, and an
 * index holds just these. A single range would scan all lists that completed.
 */
function listStarted(database: Database, query: DueQuery, page: KeysetPage): Promise<DueRow[]> {
  const { stream, completedBefore, startedBefore } = query
  const range = (condition: Prisma.Sql) => Prisma.sql`SELECT st.user_id, st.last_started_at
    FROM crawler.crawl_state st JOIN public."user" u ON u.id = st.user_id ${ownerAndPause(stream)}
    WHERE st.stream = ${stream} AND st.last_started_at IS NOT NULL AND ${condition} AND ${isDue(completedBefore)}
      AND ${startedBefore ? Prisma.sql`st.last_started_at < ${startedBefore}` : Prisma.sql`TRUE`}
      AND ${keysetSql.after(STARTED_KEY, 'ASC', page)}
    ${keysetSql.orderAndLimit(STARTED_KEY, 'ASC', page)}`
  return database.query<DueRow>(Prisma.sql`
    WITH earlier AS MATERIALIZED (${range(Prisma.sql`st.last_started_at < ${completedBefore}`)}),
      later AS MATERIALIZED (${range(Prisma.sql`st.last_started_at >= ${completedBefore} AND ${isUnfinished}
        AND (SELECT count(*) FROM earlier) <= ${page.limit}`)})
    SELECT st.user_id AS "userId", ${Prisma.raw(timeTextSql('st.last_started_at'))} AS "startedText"
    FROM (SELECT * FROM earlier UNION ALL SELECT * FROM later) AS st
    ${keysetSql.orderAndLimit(STARTED_KEY, 'ASC', page)}`)
}

/** For callers that reach some users: as few as can be looked at one by one. */
function listOfSome(database: Database, reach: Reach, query: DueQuery, page: KeysetPage): Promise<DueRow[]> {
  const key = [STARTED_AT, Prisma.sql`u.id`]
  return database.query<DueRow>(Prisma.sql`
    SELECT u.id AS "userId", coalesce(${Prisma.raw(timeTextSql('st.last_started_at'))}, '-infinity') AS "startedText"
    FROM ${usersSql(reach, query)} AND ${keysetSql.after(key, 'ASC', page)} ${keysetSql.orderAndLimit(key, 'ASC', page)}`)
}

const STARTED_AT = Prisma.sql`coalesce(st.last_started_at, '-infinity'::timestamptz)`

/** Users with a list that is due, with its state: tables and conditions. */
function usersSql(reach: Reach, { stream, completedBefore, startedBefore }: DueQuery): Prisma.Sql {
  return Prisma.sql`public."user" u LEFT JOIN crawler.crawl_state st ON st.user_id = u.id AND st.stream = ${stream}
      ${ownerAndPause(stream)}
    WHERE ${reachSql(Prisma.sql`u.id`, reach)} AND ${isDue(completedBefore)}
      AND ${startedBefore ? Prisma.sql`${STARTED_AT} < ${startedBefore}` : Prisma.sql`TRUE`}`
}

/**
 * How many of a list's last sessions failed in a row, at most 100, by the order of `keys`. A session that still counts
 * as running has not failed yet, and interrupts no row.
 */
export async function countFailures(
  database: Database,
  reach: Reach,
  keys: readonly CheckpointKey[],
): Promise<number[]> {
  const rows = await database.query<{ failures: number }>(Prisma.sql`
    SELECT coalesce(failed.count, 0)::integer AS failures
    FROM unnest(${keys.map(({ userId }) => userId)}::text[], ${keys.map(({ stream }) => stream)}::text[])
        WITH ORDINALITY AS k (user_id, stream, place)
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE in_a_row) AS count FROM (
          SELECT bool_and(s.status = 'failed') OVER (ORDER BY s.started_at DESC, s.session_id DESC) AS in_a_row
          FROM (
            SELECT crawler.known_status(s.status) AS status, s.started_at, s.session_id FROM crawler.crawl_session s
            WHERE s.user_id = k.user_id AND s.stream = k.stream AND crawler.known_status(s.status) <> 'running'
              AND ${reachSql(Prisma.sql`s.user_id`, reach)}
            ORDER BY s.started_at DESC, s.session_id DESC LIMIT ${MOST_FAILURES}
          ) AS s
        ) AS judged
      ) AS failed
    ORDER BY k.place`)
  return rows.map(({ failures }) => failures)
}
