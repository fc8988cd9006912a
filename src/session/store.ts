import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import { reachArray, reachSql } from '../database/reach.ts'
import { timeTextSql } from '../time-column.ts'
import type { Reach } from '../principal.ts'
import type { Platform } from '../stream/platform.ts'
import { platformSql } from '../stream/store.ts'
import { type CrawlSession, type SessionStatus, STALLED_AFTER_LEASES } from './model.ts'
import { SESSION_COLUMNS, type SessionRow, toSession } from './row.ts'

/** The stored ones among the IDs, in no order. */
export async function findSessions(
  database: Database,
  reach: Reach,
  sessionIds: readonly string[],
): Promise<CrawlSession[]> {
  const rows = await database.query<SessionRow>({
    name: 'sessions_by_id',
    text: `SELECT ${SESSION_COLUMNS} FROM crawler.crawl_session s
      WHERE s.session_id = ANY ($1::text[]) AND ($2::text[] IS NULL OR s.user_id = ANY ($2))`,
    values: [sessionIds, reachArray(reach)],
  })
  return rows.map(toSession)
}

export async function findSession(
  database: Database,
  reach: Reach,
  sessionId: string,
): Promise<CrawlSession | undefined> {
  const [session] = await findSessions(database, reach, [sessionId])
  return session
}

/** The session of a (user, stream) that started last, leaving out one. */
export async function findLatestSession(
  database: Database,
  reach: Reach,
  { userId, stream }: { readonly userId: string; readonly stream: string },
  exceptSessionId = '',
): Promise<CrawlSession | undefined> {
  const rows = await database.query<SessionRow>({
    name: 'session_latest',
    text: `SELECT ${SESSION_COLUMNS} FROM crawler.crawl_session s
      WHERE s.user_id = $1 AND s.stream = $2 AND s.session_id <> $3 AND ($4::text[] IS NULL OR s.user_id = ANY ($4))
      ORDER BY s.started_at DESC, s.session_id DESC LIMIT 1`,
    values: [userId, stream, exceptSessionId, reachArray(reach)],
  })
  return rows.map(toSession)[0]
}

/** Ends the sessions whose lease has run out; answers how many. */
export async function reapSessions(database: Database): Promise<number> {
  const [row] = await database.query<{ reaped: number }>({
    name: 'session_reap',
    text: 'SELECT crawler.reap() AS reaped',
    values: [],
  })
  return row?.reaped ?? 0
}

/** Sessions that hold a lease, whichever replica they were started at, and for how long the oldest lease has been over, seconds. */
export interface LiveLeases {
  readonly count: number
  /** 0: none is. A reaper ends them within a second or two. */
  readonly overdueSeconds: number
}

/** Reads the index of running sessions. */
export async function countLiveLeases(database: Database): Promise<LiveLeases> {
  const [row] = await database.query<{ count: number; overdue: number }>({
    name: 'session_leases',
    text: `SELECT count(*)::integer AS count,
        greatest(extract(epoch FROM crawler.clock() - min(lease_expires_at)), 0)::float8 AS overdue
      FROM crawler.crawl_session WHERE status = 'running' AND epoch > 0`,
    values: [],
  })
  return { count: row?.count ?? 0, overdueSeconds: row?.overdue ?? 0 }
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
  /** Exclusive, both; a running session has not completed, before or after anything. */
  readonly completedBefore: Date | undefined
  readonly completedAfter: Date | undefined
  /** Alive, but the position has not moved for 5 leases, and it is not rate limited. */
  readonly stalled: boolean | undefined
}

/** STARTED: by (startedAt, sessionId). COMPLETED: by completedAt, running ones as if before all time, then as STARTED. */
export interface SessionOrder {
  readonly by: 'STARTED' | 'COMPLETED'
  readonly direction: Direction
}

type PagedRow = SessionRow & { readonly started_at_text: string; readonly completed_at_text: string }

const PAGED_COLUMNS = Prisma.raw(
  `${SESSION_COLUMNS}, ${timeTextSql('s.started_at')} AS started_at_text,
  coalesce(${timeTextSql('s.completed_at')}, '-infinity') AS completed_at_text`,
)
/** As the index crawl_session_completed has it. */
const COMPLETED_AT = Prisma.sql`coalesce(s.completed_at, '-infinity'::timestamptz)`
const STARTED_KEY = [Prisma.sql`s.started_at`, Prisma.sql`s.session_id`]
const SORT_KEYS = { STARTED: STARTED_KEY, COMPLETED: [COMPLETED_AT, ...STARTED_KEY] }

/** A page of sessions by (startedAt, sessionId). */
export async function listSessions(
  database: Database,
  reach: Reach,
  filter: SessionFilter,
  order: SessionOrder,
  page: KeysetPage,
): Promise<Page<CrawlSession>> {
  const rows = await database.query<PagedRow>(pageSql(reach, filter, order, page))
  return pageOf(rows, page, (row) => toEntry(row, order))
}

/**
 * The same page of each user's sessions, in one statement: LATERAL, so that each user costs `limit + 1` rows however many
 * sessions there are (a nested `take: 5` of Prisma loaded all 100,000).
 */
export async function listSessionsOfUsers(
  database: Database,
  reach: Reach,
  userIds: readonly string[],
  filter: SessionFilter,
  order: SessionOrder,
  page: KeysetPage,
): Promise<Map<string, Page<CrawlSession>>> {
  const ofUser = Prisma.sql`s.user_id = owner.id`
  const statement = isNewest(filter, order, page)
    ? { name: 'sessions_newest', text: NEWEST_OF_USERS, values: [userIds, reachArray(reach), page.limit + 1] }
    : Prisma.sql`SELECT s.* FROM unnest(${userIds}::text[]) WITH ORDINALITY AS owner (id, place)
      CROSS JOIN LATERAL (${pageSql(reach, filter, order, page, ofUser)}) AS s
      ORDER BY owner.place`
  const rows = await database.query<PagedRow>(statement)
  const byUser = new Map(userIds.map((userId) => [userId, [] as PagedRow[]]))
  for (const row of rows) byUser.get(row.user_id)?.push(row)
  return new Map([...byUser].map(([userId, own]) => [userId, pageOf(own, page, (row) => toEntry(row, order))]))
}

/** What is asked most, always with the same text: prepared. */
const NEWEST_OF_USERS = `SELECT s.* FROM unnest($1::text[]) WITH ORDINALITY AS owner (id, place)
  CROSS JOIN LATERAL (SELECT ${PAGED_COLUMNS.sql} FROM crawler.crawl_session s
    WHERE s.user_id = owner.id AND ($2::text[] IS NULL OR s.user_id = ANY ($2))
    ORDER BY s.started_at DESC, s.session_id DESC LIMIT $3) AS s
  ORDER BY owner.place`

function isNewest(filter: SessionFilter, { by, direction }: SessionOrder, page: KeysetPage): boolean {
  const isFirst = !page.backward && page.after === undefined && page.before === undefined
  return (
    isFirst && by === 'STARTED' && direction === 'DESC' && Object.values(filter).every((value) => value === undefined)
  )
}

export async function countSessions(database: Database, reach: Reach, filter: SessionFilter): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    Prisma.sql`SELECT count(*)::integer AS count FROM crawler.crawl_session s WHERE ${conditionSql(reach, filter)}`,
  )
  return row?.count ?? 0
}

/** How many sessions of each user match, in one statement. */
export async function countSessionsOfUsers(
  database: Database,
  reach: Reach,
  userIds: readonly string[],
  filter: SessionFilter,
): Promise<Map<string, number>> {
  const rows = await database.query<{ user_id: string; count: number }>(
    Prisma.sql`SELECT s.user_id, count(*)::integer AS count FROM crawler.crawl_session s
      WHERE s.user_id = ANY (${userIds}::text[]) AND ${conditionSql(reach, filter)} GROUP BY s.user_id`,
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

export async function sessionStats(database: Database, reach: Reach, filter: SessionFilter): Promise<SessionStats> {
  const [row] = await database.query<{ [Field in keyof SessionStats]: number }>(
    Prisma.sql`SELECT count(*)::integer AS total,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'running')::integer AS running,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'completed')::integer AS completed,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'stopped')::integer AS stopped,
        count(*) FILTER (WHERE crawler.known_status(s.status) = 'failed')::integer AS failed,
        coalesce(sum(s.bookmarks_processed), 0)::double precision AS "bookmarksProcessed"
      FROM crawler.crawl_session s WHERE ${conditionSql(reach, filter)}`,
  )
  return row ?? { total: 0, running: 0, completed: 0, stopped: 0, failed: 0, bookmarksProcessed: 0 }
}

function toEntry(row: PagedRow, { by }: SessionOrder): { node: CrawlSession; position: string[] } {
  const started = [row.started_at_text, row.session_id]
  return { node: toSession(row), position: by === 'STARTED' ? started : [row.completed_at_text, ...started] }
}

/**
 * With several statuses each is read by its own index range and the ranges are merged: one range over all statuses would be
 * read through until enough rows match, and a rare status would cost the whole table.
 */
function pageSql(
  reach: Reach,
  filter: SessionFilter,
  order: SessionOrder,
  page: KeysetPage,
  also?: Prisma.Sql,
): Prisma.Sql {
  const key = SORT_KEYS[order.by]
  const where = (condition: Prisma.Sql) => Prisma.sql`SELECT ${PAGED_COLUMNS} FROM crawler.crawl_session s
    WHERE ${Prisma.join([also ?? Prisma.sql`TRUE`, condition, keysetSql.after(key, order.direction, page)], ' AND ')}
    ${keysetSql.orderAndLimit(key, order.direction, page)}`
  const { statuses, ...others } = filter
  if (!statuses || statuses.length < 2) return where(conditionSql(reach, filter))
  const ofOneStatus = Prisma.sql`crawler.known_status(s.status) = wanted.status AND ${conditionSql(reach, { ...others, statuses: undefined })}`
  return Prisma.sql`SELECT s.* FROM unnest(${[...new Set(statuses)]}::text[]) AS wanted (status)
    CROSS JOIN LATERAL (${where(ofOneStatus)}) AS s ${keysetSql.orderAndLimit(key, order.direction, page)}`
}

function conditionSql(reach: Reach, filter: SessionFilter): Prisma.Sql {
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
  const condition = Prisma.sql`(s.status = 'running' AND s.epoch > 0
    AND coalesce(s.lease_expires_at > crawler.clock(), false) AND coalesce(s.rate_limited_until <= crawler.clock(), true)
    AND crawler.clock() - coalesce(s.position_moved_at, s.started_at) > ${STALLED_AFTER_LEASES}::integer * s.lease_seconds * interval '1 second')`
  return stalled ? condition : Prisma.sql`NOT ${condition}`
}
