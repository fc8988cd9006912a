import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import { reachArray, reachSql } from '../database/reach.ts'
import { timeTextSql } from '../time-column.ts'
import type { Reach } from '../principal.ts'
import type { Platform } from '../stream/platform.ts'
import { platformSql, streamsOfSessionsSql } from '../stream/store.ts'
import { type DurationStep, durationSteps, earlier } from './duration-steps.ts'
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

/** completed_at_text: only of a list in that order. */
type PagedRow = SessionRow & { readonly started_at_text: string; readonly completed_at_text?: string }

const STARTED_COLUMNS = `${SESSION_COLUMNS}, ${timeTextSql('s.started_at')} AS started_at_text`
const PAGED_COLUMNS = {
  STARTED: Prisma.raw(STARTED_COLUMNS),
  COMPLETED: Prisma.raw(
    `${STARTED_COLUMNS}, coalesce(${timeTextSql('s.completed_at')}, '-infinity') AS completed_at_text`,
  ),
}
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
  const rows = await database.query<PagedRow>(
    pageSql(reach, await namingStreams(database, reach, filter, order), order, page),
  )
  return pageOf(rows, page, toEntry)
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
  return new Map([...byUser].map(([userId, own]) => [userId, pageOf(own, page, toEntry)]))
}

/** Each is planned for itself. */
const MOST_MERGED_STREAMS = 32

/** A filter for pageSql. */
interface PageFilter extends SessionFilter {
  /** All that the platform has. */
  readonly ofStreams?: readonly string[]
}

/**
 * In the order of completion there is an index by stream and none by platform: names the platform's streams, where there are any and not many.
 * In a statement before it, since the planner of one that finds them itself doesn't know how rare they are.
 */
async function namingStreams(
  database: Database,
  reach: Reach,
  filter: SessionFilter,
  { by }: SessionOrder,
): Promise<PageFilter> {
  const { platform, userId, stream, statuses } = filter
  if (reach !== 'all' || by === 'STARTED' || !platform || (userId ?? stream ?? statuses)) return filter
  const rows = await database.query<{ stream: string }>(streamsOfSessionsSql(platform))
  return rows.length === 0 || rows.length > MOST_MERGED_STREAMS
    ? filter
    : { ...filter, ofStreams: rows.map((row) => row.stream) }
}

/** What is asked most, always with the same text: prepared. */
const NEWEST_OF_USERS = `SELECT s.* FROM unnest($1::text[]) WITH ORDINALITY AS owner (id, place)
  CROSS JOIN LATERAL (SELECT ${STARTED_COLUMNS} FROM crawler.crawl_session s
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
    // A row for each status first: 155 ms for 1,000,000 sessions, where five looks at each of them took 295.
    Prisma.sql`SELECT coalesce(sum(c.sessions), 0)::integer AS total,
        ${Prisma.join(
          (['running', 'completed', 'stopped', 'failed'] as const).map(
            (status) =>
              Prisma.sql`coalesce(sum(c.sessions) FILTER (WHERE crawler.known_status(c.status) = ${status}), 0)::integer AS ${Prisma.raw(status)}`,
          ),
        )},
        coalesce(sum(c.bookmarks), 0)::double precision AS "bookmarksProcessed"
      FROM (
        SELECT s.status, count(*) AS sessions, sum(s.bookmarks_processed) AS bookmarks
        FROM crawler.crawl_session s WHERE ${conditionSql(reach, filter)} GROUP BY s.status
      ) AS c`,
  )
  return row ?? { total: 0, running: 0, completed: 0, stopped: 0, failed: 0, bookmarksProcessed: 0 }
}

function toEntry(row: PagedRow): { node: CrawlSession; position: string[] } {
  const started = [row.started_at_text, row.session_id]
  return {
    node: toSession(row),
    position: row.completed_at_text === undefined ? started : [row.completed_at_text, ...started],
  }
}

/**
 * One index range is read, and where none has what is asked for in order, several, which are merged: of one that holds other sessions too as
 * much would be read through as lies between those that are meant.
 */
function pageSql(
  reach: Reach,
  filter: PageFilter,
  order: SessionOrder,
  page: KeysetPage,
  also?: Prisma.Sql,
): Prisma.Sql {
  const key = SORT_KEYS[order.by]
  const sorted = keysetSql.orderAndLimit(key, order.direction, page)
  const rangeOf = (part: SessionFilter, condition = Prisma.sql`TRUE`) =>
    Prisma.sql`SELECT ${PAGED_COLUMNS[order.by]} FROM crawler.crawl_session s
    WHERE ${Prisma.join([also ?? Prisma.sql`TRUE`, conditionSql(reach, part), condition, keysetSql.after(key, order.direction, page)], ' AND ')}
    ${sorted}`
  const { statuses, platform, startedBefore, startedAfter, completedBefore, completedAfter } = filter
  if (statuses && statuses.length > 1) {
    return merge(
      [...new Set(statuses)].map((status) => rangeOf({ ...filter, statuses: [status] })),
      sorted,
    )
  }
  if (filter.ofStreams) {
    return merge(
      filter.ofStreams.map((stream) => rangeOf({ ...filter, stream, platform: undefined })),
      sorted,
    )
  }
  // Of some users, or with a second filter, which index is the best is the planner's to weigh.
  if (reach !== 'all' || (also ?? filter.userId ?? filter.stream ?? platform ?? statuses)) return rangeOf(filter)
  if (order.by === 'STARTED' && (completedBefore ?? completedAfter)) {
    const others = { ...filter, completedBefore: undefined, completedAfter: undefined }
    return merge(
      durationSteps.map((step) => rangeOf(others, startedSql(step, filter))),
      sorted,
    )
  }
  if (order.by === 'COMPLETED' && (startedBefore ?? startedAfter)) {
    const notCompleted = Prisma.sql`s.completed_at IS NULL AND ${COMPLETED_AT} = '-infinity'`
    return merge(
      [rangeOf(filter, notCompleted), ...durationSteps.map((step) => rangeOf(filter, completedSql(step, filter)))],
      sorted,
    )
  }
  return rangeOf(filter)
}

function merge(ranges: readonly Prisma.Sql[], sorted: Prisma.Sql): Prisma.Sql {
  const united = Prisma.join(
    ranges.map((range) => Prisma.sql`(${range})`),
    ' UNION ALL ',
  )
  return Prisma.sql`SELECT s.* FROM (${united}) AS s ${sorted}`
}

/** The sessions of one step, and when those of them can have started at the latest and at the earliest that completed as is asked. */
function startedSql(
  { step, fromSeconds, toSeconds }: DurationStep,
  { completedBefore, completedAfter }: SessionFilter,
): Prisma.Sql {
  const conditions = [stepSql(step)]
  const latest = earlier(completedBefore, fromSeconds)
  const earliest = earlier(completedAfter, toSeconds)
  if (latest) conditions.push(Prisma.sql`s.started_at < ${latest}`)
  if (earliest) conditions.push(Prisma.sql`s.started_at > ${earliest}`)
  // Not as crawl_session_completed has it, by which all of a range of time would be read and sorted.
  if (completedBefore) conditions.push(Prisma.sql`s.completed_at < ${completedBefore}`)
  if (completedAfter) conditions.push(Prisma.sql`s.completed_at > ${completedAfter}`)
  return Prisma.join(conditions, ' AND ')
}

/** The sessions of one step, and when those of them can have completed that started as is asked. */
function completedSql(
  { step, fromSeconds, toSeconds }: DurationStep,
  { startedBefore, startedAfter }: SessionFilter,
): Prisma.Sql {
  const conditions = [stepSql(step)]
  const latest = earlier(startedBefore, -toSeconds)
  const earliest = earlier(startedAfter, -fromSeconds)
  if (latest) conditions.push(Prisma.sql`${COMPLETED_AT} < ${latest}`)
  if (earliest) conditions.push(Prisma.sql`${COMPLETED_AT} > ${earliest}`)
  return Prisma.join(conditions, ' AND ')
}

/** A literal: the planner must see which step it is. */
function stepSql(step: number): Prisma.Sql {
  return Prisma.raw(
    `s.completed_at IS NOT NULL AND crawler.duration_step(s.started_at, s.completed_at) = ${String(step)}`,
  )
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
  // As the indexes by status have it, which are in order, and not as crawl_session_leased: of that all live sessions would be sorted. coalesce():
  // nearly all others have epoch 0, and the planner would think that of the running ones too.
  const condition = Prisma.sql`(crawler.known_status(s.status) = 'running' AND coalesce(s.epoch, 0) > 0
    AND coalesce(s.lease_expires_at > crawler.clock(), false) AND coalesce(s.rate_limited_until <= crawler.clock(), true)
    AND crawler.clock() - coalesce(s.position_moved_at, s.started_at) > ${STALLED_AFTER_LEASES}::integer * s.lease_seconds * interval '1 second')`
  return stalled ? condition : Prisma.sql`NOT ${condition}`
}
