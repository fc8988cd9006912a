import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import type { Platform } from '../stream/platform.ts'
import { platformSql } from '../stream/store.ts'
import type { CrawlSession, SessionStatus } from './model.ts'
import { SESSION_COLUMNS, type SessionRow, toSession } from './row.ts'

/** The stored ones among the IDs, in no order. */
export async function findSessions(database: Database, sessionIds: readonly string[]): Promise<CrawlSession[]> {
  const rows = await database.query<SessionRow>({
    name: 'sessions_by_id',
    text: `SELECT ${SESSION_COLUMNS} FROM crawler.crawl_session s WHERE s.session_id = ANY ($1::text[])`,
    values: [sessionIds],
  })
  return rows.map(toSession)
}

export async function findSession(database: Database, sessionId: string): Promise<CrawlSession | undefined> {
  const [session] = await findSessions(database, [sessionId])
  return session
}

export interface SessionFilter {
  readonly userId: string | undefined
  readonly stream: string | undefined
  readonly platform: Platform | undefined
  /** undefined: any; an empty list: none. */
  readonly statuses: readonly SessionStatus[] | undefined
  /** Exclusive, both. */
  readonly startedBefore: Date | undefined
  readonly startedAfter: Date | undefined
}

type PagedRow = SessionRow & { readonly started_at_text: string }

const PAGED_COLUMNS = Prisma.raw(`${SESSION_COLUMNS}, s.started_at AT TIME ZONE 'UTC' || '+00' AS started_at_text`)
const SORT_KEY = [Prisma.sql`s.started_at`, Prisma.sql`s.session_id`]

/** A page of sessions by (startedAt, sessionId). */
export async function listSessions(
  database: Database,
  filter: SessionFilter,
  direction: Direction,
  page: KeysetPage,
): Promise<Page<CrawlSession>> {
  const rows = await database.query<PagedRow>(pageSql(filter, direction, page))
  return pageOf(rows, page, toEntry)
}

/**
 * The same page of each user's sessions, in one statement: LATERAL, so that each user costs `limit + 1` rows however many
 * sessions there are (a nested `take: 5` of Prisma loaded all 100,000).
 */
export async function listSessionsOfUsers(
  database: Database,
  userIds: readonly string[],
  filter: SessionFilter,
  direction: Direction,
  page: KeysetPage,
): Promise<Map<string, Page<CrawlSession>>> {
  const ofUser = Prisma.sql`s.user_id = owner.id`
  const rows = await database.query<PagedRow>(
    Prisma.sql`SELECT s.* FROM unnest(${userIds}::text[]) WITH ORDINALITY AS owner (id, place)
      CROSS JOIN LATERAL (${pageSql(filter, direction, page, ofUser)}) AS s
      ORDER BY owner.place`,
  )
  return new Map(
    userIds.map((userId) => [
      userId,
      pageOf(
        rows.filter((row) => row.user_id === userId),
        page,
        toEntry,
      ),
    ]),
  )
}

export async function countSessions(database: Database, filter: SessionFilter): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    Prisma.sql`SELECT count(*)::integer AS count FROM crawler.crawl_session s WHERE ${conditionSql(filter)}`,
  )
  return row?.count ?? 0
}

/** How many sessions of each user match, in one statement. */
export async function countSessionsOfUsers(
  database: Database,
  userIds: readonly string[],
  filter: SessionFilter,
): Promise<Map<string, number>> {
  const rows = await database.query<{ user_id: string; count: number }>(
    Prisma.sql`SELECT s.user_id, count(*)::integer AS count FROM crawler.crawl_session s
      WHERE s.user_id = ANY (${userIds}::text[]) AND ${conditionSql(filter)} GROUP BY s.user_id`,
  )
  return new Map(rows.map((row) => [row.user_id, row.count]))
}

export interface SessionStats {
  readonly total: number
  readonly running: number
  readonly completed: number
  readonly stopped: number
  readonly failed: number
  /** A sum; exact to 2^53. */
  readonly bookmarksProcessed: number
}

export async function sessionStats(database: Database, filter: SessionFilter): Promise<SessionStats> {
  const [row] = await database.query<{ [Field in keyof SessionStats]: number }>(
    Prisma.sql`SELECT count(*)::integer AS total,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'running')::integer AS running,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'completed')::integer AS completed,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'stopped')::integer AS stopped,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'failed')::integer AS failed,
        coalesce(sum(s.bookmarks_processed), 0)::double precision AS "bookmarksProcessed"
      FROM crawler.crawl_session s WHERE ${conditionSql(filter)}`,
  )
  return row ?? { total: 0, running: 0, completed: 0, stopped: 0, failed: 0, bookmarksProcessed: 0 }
}

function toEntry(row: PagedRow): { node: CrawlSession; position: string[] } {
  return { node: toSession(row), position: [row.started_at_text, row.session_id] }
}

/**
 * With several statuses each is read by its own index range and the ranges are merged: one range over all statuses would be
 * read through until enough rows match, and a rare status would cost the whole table.
 */
function pageSql(filter: SessionFilter, direction: Direction, page: KeysetPage, also?: Prisma.Sql): Prisma.Sql {
  const where = (condition: Prisma.Sql) => Prisma.sql`SELECT ${PAGED_COLUMNS} FROM crawler.crawl_session s
    WHERE ${Prisma.join([also ?? Prisma.sql`TRUE`, condition, keysetSql.after(SORT_KEY, direction, page)], ' AND ')}
    ${keysetSql.orderAndLimit(SORT_KEY, direction, page)}`
  const { statuses, ...others } = filter
  if (!statuses || statuses.length < 2) return where(conditionSql(filter))
  const ofOneStatus = Prisma.sql`crawler.known_status(s.status) = wanted.status AND ${conditionSql({ ...others, statuses: undefined })}`
  return Prisma.sql`SELECT s.* FROM unnest(${[...new Set(statuses)]}::text[]) AS wanted (status)
    CROSS JOIN LATERAL (${where(ofOneStatus)}) AS s ${keysetSql.orderAndLimit(SORT_KEY, direction, page)}`
}

function conditionSql(filter: SessionFilter): Prisma.Sql {
  const conditions: Prisma.Sql[] = [Prisma.sql`TRUE`]
  if (filter.userId !== undefined) conditions.push(Prisma.sql`s.user_id = ${filter.userId}`)
  if (filter.stream !== undefined) conditions.push(Prisma.sql`s.stream = ${filter.stream}`)
  if (filter.platform) conditions.push(platformSql(filter.platform))
  if (filter.statuses?.length === 1) {
    conditions.push(Prisma.sql`crawler.known_status(s.status) = ${filter.statuses[0]}`)
  } else if (filter.statuses) {
    conditions.push(Prisma.sql`crawler.known_status(s.status) = ANY (${[...filter.statuses]}::text[])`)
  }
  if (filter.startedBefore) conditions.push(Prisma.sql`s.started_at < ${filter.startedBefore}`)
  if (filter.startedAfter) conditions.push(Prisma.sql`s.started_at > ${filter.startedAfter}`)
  return Prisma.join(conditions, ' AND ')
}
