import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page, type Position } from '../../database/keyset.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import { timeTextSql } from '../../database/time-column.ts'
import { streamsOfSessionsSql } from '../../stream/store.ts'
import { type DurationStep, durationSteps, earlier } from './duration-steps.ts'
import { COMPLETED_AT, conditionSql, type SessionFilter } from './filter-store.ts'
import type { ListedSession } from './model.ts'
import { sessionColumns, type SessionReading, summaryColumns } from './row.ts'

/**
 * STARTED: by (startedAt, sessionId). COMPLETED: by completedAt, then as STARTED; running sessions count as completed
 * before all time.
 */
export interface SessionOrder {
  readonly by: 'STARTED' | 'COMPLETED'
  readonly direction: Direction
}

/** What a client asks for. */
export interface SessionPage extends SessionReading {
  readonly filter: SessionFilter
  readonly order: SessionOrder
  readonly page: KeysetPage
}

/** The texts are read only if positions are needed; completedAtText only in the order COMPLETED. */
type PagedRow = ListedSession & { readonly startedAtText?: string; readonly completedAtText?: string }

const COLUMNS = { summary: summaryColumns, all: sessionColumns }
const STARTED_TEXT = `, ${timeTextSql('s.started_at')} AS "startedAtText"`
const POSITION_COLUMNS = {
  STARTED: STARTED_TEXT,
  COMPLETED: `${STARTED_TEXT}, coalesce(${timeTextSql('s.completed_at')}, '-infinity') AS "completedAtText"`,
}

function columnsSql({ columns, positions }: SessionReading, by: SessionOrder['by']): string {
  return COLUMNS[columns].selected('s') + (positions ? POSITION_COLUMNS[by] : '')
}
const STARTED_KEY = [Prisma.sql`s.started_at`, Prisma.sql`s.session_id`]
/** The sort key of sessions that have completed. */
const COMPLETED_KEY = [Prisma.sql`s.completed_at`, ...STARTED_KEY]
const SORT_KEYS = { STARTED: STARTED_KEY, COMPLETED: [COMPLETED_AT, ...STARTED_KEY] }

/** A page of sessions in the order asked for. */
export async function listSessions(database: Database, reach: Reach, asked: SessionPage): Promise<Page<ListedSession>> {
  const filter = await namingStreams(database, reach, asked)
  const rows = await database.query<PagedRow>(pageSql(reach, { ...asked, filter }))
  return pageOf(rows, asked.page, toEntry)
}

/**
 * The same page of each user's sessions, in one statement. LATERAL makes each user cost `limit + 1` rows, however many
 * sessions there are (a nested `take: 5` of Prisma loaded all 100,000).
 */
export async function listSessionsOfUsers(
  database: Database,
  reach: Reach,
  userIds: readonly string[],
  asked: SessionPage,
): Promise<Map<string, Page<ListedSession>>> {
  const ofUser = Prisma.sql`s.user_id = owner.id`
  const { page } = asked
  const statement = isNewest(asked)
    ? {
        name: `sessions_newest_${asked.columns}${asked.positions ? '_placed' : ''}`,
        text: newestSql(columnsSql(asked, 'STARTED')),
        values: [userIds, reachArray(reach), page.limit + 1],
      }
    : Prisma.sql`SELECT s.* FROM unnest(${userIds}::text[]) WITH ORDINALITY AS owner (id, place)
      CROSS JOIN LATERAL (${pageSql(reach, asked, ofUser)}) AS s
      ORDER BY owner.place`
  const rows = await database.query<PagedRow>(statement)
  const byUser = new Map(userIds.map((userId) => [userId, [] as PagedRow[]]))
  for (const row of rows) byUser.get(row.userId)?.push(row)
  return new Map([...byUser].map(([userId, own]) => [userId, pageOf(own, page, toEntry)]))
}

/** The planner plans each merged stream separately. */
const MOST_MERGED_STREAMS = 32

/** A filter as pageSql reads it. */
interface PageFilter extends SessionFilter {
  /** All streams of the platform that have sessions. */
  readonly ofStreams?: readonly string[]
}

/**
 * In the order of completion there is an index by stream, but none by platform. So a platform is replaced by its
 * streams, if it has any and not too many.
 * They are read in a statement of their own: inside the page's statement, the planner would not know how rare they are.
 */
async function namingStreams(
  database: Database,
  reach: Reach,
  { filter, order: { by } }: SessionPage,
): Promise<PageFilter> {
  const { platform, userId, stream, statuses } = filter
  if (reach !== 'all' || by === 'STARTED' || !platform || (userId ?? stream ?? statuses)) return filter
  const rows = await database.query<{ stream: string }>(streamsOfSessionsSql(platform))
  return rows.length === 0 || rows.length > MOST_MERGED_STREAMS
    ? filter
    : { ...filter, ofStreams: rows.map((row) => row.stream) }
}

/** The most frequent query. It has only four texts, so it is prepared. */
const newestSql = (columns: string) => `SELECT s.* FROM unnest($1::text[]) WITH ORDINALITY AS owner (id, place)
  CROSS JOIN LATERAL (SELECT ${columns} FROM crawler.crawl_session s
    WHERE s.user_id = owner.id AND ($2::text[] IS NULL OR s.user_id = ANY ($2))
    ORDER BY s.started_at DESC, s.session_id DESC LIMIT $3) AS s
  ORDER BY owner.place`

function isNewest({ filter, order: { by, direction }, page }: SessionPage): boolean {
  const isFirst = !page.backward && page.after === undefined && page.before === undefined
  return (
    isFirst && by === 'STARTED' && direction === 'DESC' && Object.values(filter).every((value) => value === undefined)
  )
}

function toEntry(row: PagedRow): { node: ListedSession; position: Position | undefined } {
  return { node: row, position: positionOf(row) }
}

function positionOf({ sessionId, startedAtText, completedAtText }: PagedRow): Position | undefined {
  if (startedAtText === undefined) return undefined
  const started = [startedAtText, sessionId]
  return completedAtText === undefined ? started : [completedAtText, ...started]
}

/** Sessions that one index holds in order. */
interface Range {
  readonly filter: SessionFilter
  readonly condition?: Prisma.Sql
  /** The key by which that index orders them. Default: the list's key. */
  readonly key?: readonly Prisma.Sql[]
}

/** The SQL of a page: it reads one range, or merges several. */
function pageSql(reach: Reach, asked: SessionPage & { readonly filter: PageFilter }, also?: Prisma.Sql): Prisma.Sql {
  const { order, page } = asked
  const sortKey = SORT_KEYS[order.by]
  const rangeSql = (columns: string, { filter, condition = Prisma.sql`TRUE`, key = sortKey }: Range) =>
    Prisma.sql`SELECT ${Prisma.raw(columns)} FROM crawler.crawl_session s
    WHERE ${Prisma.join([also ?? Prisma.sql`TRUE`, conditionSql(reach, filter), condition, keysetSql.after(key, order.direction, page)], ' AND ')}
    ${keysetSql.orderAndLimit(key, order.direction, page)}`
  const selected = columnsSql(asked, order.by)
  const ranges = rangesOf(reach, asked, also)
  const [only, ...others] = ranges
  if (only && others.length === 0) return rangeSql(selected, only)
  const named = COLUMNS[asked.columns].named('s')
  const united = Prisma.join(
    ranges.map((range) => Prisma.sql`(${rangeSql(named, range)})`),
    ' UNION ALL ',
  )
  return Prisma.sql`SELECT ${Prisma.raw(selected)} FROM (${united}) AS s
    ${keysetSql.orderAndLimit(sortKey, order.direction, page)}`
}

/**
 * One range, or several if no index holds the sessions in the list's order. A single range would scan rows that do not
 * match; merge one range per status, stream or duration step instead.
 */
function rangesOf(
  reach: Reach,
  { filter, order }: { readonly filter: PageFilter; readonly order: SessionOrder },
  also: Prisma.Sql | undefined,
): readonly Range[] {
  const whole: Range = { filter }
  const { statuses, endReasons, platform, startedBefore, startedAfter, completedBefore, completedAfter } = filter
  if (statuses && statuses.length > 1) {
    return [...new Set(statuses)].map((status) => ({ filter: { ...filter, statuses: [status] } }))
  }
  if (endReasons && endReasons.length > 1) {
    return [...new Set(endReasons)].map((reason) => ({ filter: { ...filter, endReasons: [reason] } }))
  }
  if (filter.activeAfter && !statuses) return activeRanges(reach, { filter, order }, also)
  if (filter.ofStreams) {
    return filter.ofStreams.map((stream) => ({ filter: { ...filter, stream, platform: undefined } }))
  }
  // For bound callers, or with a second filter, the planner chooses the index.
  if (reach !== 'all' || (also ?? filter.userId ?? filter.stream ?? platform)) return [whole]
  if (order.by === 'STARTED' && !statuses && (completedBefore ?? completedAfter)) {
    const others = { ...filter, completedBefore: undefined, completedAfter: undefined }
    return durationSteps.map((step) => ({ filter: others, condition: startedSql(step, filter) }))
  }
  if (order.by === 'COMPLETED' && (startedBefore ?? startedAfter)) {
    const others = { ...filter, startedBefore: undefined, startedAfter: undefined }
    const ofSteps = durationSteps.map((step) => ({
      filter: others,
      condition: completedSql(step, filter),
      key: COMPLETED_KEY,
    }))
    return [{ filter, condition: Prisma.sql`${COMPLETED_AT} = '-infinity'` }, ...ofSteps]
  }
  return [whole]
}

/** The running sessions, and the ranges of those that completed after. */
function activeRanges(
  reach: Reach,
  { filter: { activeAfter, ...others }, order }: { readonly filter: PageFilter; readonly order: SessionOrder },
  also: Prisma.Sql | undefined,
): readonly Range[] {
  const after = [activeAfter, others.completedAfter].filter((time) => time !== undefined)
  const completedAfter = new Date(Math.max(...after.map((time) => time.getTime())))
  const completed = rangesOf(reach, { filter: { ...others, completedAfter }, order }, also)
  return [
    { filter: { ...others, statuses: ['running'] } },
    ...completed.map((range) => ({
      ...range,
      // Another program may have written a time of completion to a running one. It is in the first range.
      condition: Prisma.sql`${range.condition ?? Prisma.sql`TRUE`} AND crawler.known_status(s.status) <> 'running'`,
    })),
  ]
}

/** The sessions of one step, with the bounds on startedAt that follow from the bounds on completedAt. */
function startedSql(
  { step, fromSeconds, toSeconds }: DurationStep,
  { completedBefore, completedAfter }: SessionFilter,
): Prisma.Sql {
  const conditions = [stepSql(step)]
  const latest = earlier(completedBefore, fromSeconds)
  const earliest = earlier(completedAfter, toSeconds)
  if (latest) conditions.push(Prisma.sql`s.started_at < ${latest}`)
  if (earliest) conditions.push(Prisma.sql`s.started_at > ${earliest}`)
  // IS TRUE keeps the planner from an index by completed_at, of which it would read and sort a whole range of time.
  if (completedBefore) conditions.push(Prisma.sql`(s.completed_at < ${completedBefore}) IS TRUE`)
  if (completedAfter) conditions.push(Prisma.sql`(s.completed_at > ${completedAfter}) IS TRUE`)
  return Prisma.join(conditions, ' AND ')
}

/** The sessions of one step, with the bounds on completedAt that follow from the bounds on startedAt. */
function completedSql(
  { step, fromSeconds, toSeconds }: DurationStep,
  { startedBefore, startedAfter }: SessionFilter,
): Prisma.Sql {
  const conditions = [stepSql(step), Prisma.sql`s.completed_at > '-infinity'`]
  const latest = earlier(startedBefore, -toSeconds)
  const earliest = earlier(startedAfter, -fromSeconds)
  if (latest) conditions.push(Prisma.sql`s.completed_at < ${latest}`)
  if (earliest) conditions.push(Prisma.sql`s.completed_at > ${earliest}`)
  // As above: for one hour of startedAt all 58,000 sessions were read for a page of 20.
  if (startedBefore) conditions.push(Prisma.sql`(s.started_at < ${startedBefore}) IS TRUE`)
  if (startedAfter) conditions.push(Prisma.sql`(s.started_at > ${startedAfter}) IS TRUE`)
  return Prisma.join(conditions, ' AND ')
}

/** A literal, because the planner must see which step it is. */
function stepSql(step: number): Prisma.Sql {
  return Prisma.raw(
    `s.completed_at IS NOT NULL AND crawler.duration_step(s.started_at, s.completed_at) = ${String(step)}`,
  )
}
