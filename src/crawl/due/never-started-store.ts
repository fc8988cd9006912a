import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { scan } from '../../database/scan.ts'
import { isDue, ownerAndPause } from './conditions.ts'
import type { Found, KeptScans } from './kept-scans.ts'
import type { DueQuery } from './model.ts'

/** How many users are looked at before the rest is scanned. Often these are all, or enough of them are due. */
const FIRST_LOOK = 1_000
/** The most users that a scan finds. More than a page has. */
const MOST_FOUND = 1_000

/**
 * Users whose list is due and was never started, in the order of userId. For callers that reach every user.
 * @param after users behind this one; '': from the first one
 */
export async function findNeverStarted(
  database: Database,
  kept: KeptScans,
  query: DueQuery,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const first = await lookFirst(database, query, after, limit)
  if (first.isEnough) return first.userIds
  const known = kept.find(query, first.last, performance.now())
  if (known) {
    const userIds = [...first.userIds, ...(await stillDue(database, query, known.userIds, limit))]
    if (known.isWhole || userIds.length >= limit) return userIds.slice(0, limit)
  }
  const found = await scanUsers(database, kept, query, first.last)
  return [...first.userIds, ...found.userIds].slice(0, limit)
}

async function lookFirst(database: Database, query: DueQuery, after: string, limit: number) {
  const [row] = await database.query<{ looked: number; last: string | null; due: string[] }>(Prisma.sql`
    WITH looked AS MATERIALIZED (SELECT u.id FROM public."user" u WHERE u.id > ${after} ORDER BY u.id LIMIT ${FIRST_LOOK})
    SELECT (SELECT count(*) FROM looked)::integer AS looked, (SELECT max(id) FROM looked) AS last,
      ARRAY(SELECT u.id FROM looked u ${conditionsSql(query)} ORDER BY u.id LIMIT ${limit})::text[] AS due`)
  if (!row) throw new Error('an aggregate answered nothing')
  return {
    userIds: row.due,
    last: row.last ?? after,
    isEnough: row.due.length >= limit || row.looked < FIRST_LOOK,
  }
}

async function scanUsers(database: Database, kept: KeptScans, query: DueQuery, after: string): Promise<Found> {
  let tookMs = 0
  const onScanned = (ms: number) => {
    tookMs = ms
    database.onScanned?.(ms)
  }
  const rows = await scan<{ id: string }>(
    { ...database, onScanned },
    Prisma.sql`SELECT u.id FROM public."user" u ${conditionsSql(query)} AND u.id > ${after} ORDER BY u.id LIMIT ${MOST_FOUND}`,
  )
  const found = { after, userIds: rows.map(({ id }) => id), isWhole: rows.length < MOST_FOUND }
  kept.keep(query, found, performance.now(), tookMs)
  return found
}

async function stillDue(database: Database, query: DueQuery, userIds: readonly string[], limit: number) {
  if (userIds.length === 0) return []
  const rows = await database.query<{ id: string }>(
    Prisma.sql`SELECT u.id FROM public."user" u ${conditionsSql(query)} AND u.id = ANY (${[...userIds]}::text[])
      ORDER BY u.id LIMIT ${limit}`,
  )
  return rows.map(({ id }) => id)
}

/** The joins and conditions for rows of users AS u. */
function conditionsSql({ stream, completedBefore }: DueQuery): Prisma.Sql {
  return Prisma.sql`LEFT JOIN crawler.crawl_state st ON st.user_id = u.id AND st.stream = ${stream} ${ownerAndPause(stream)}
    WHERE NOT EXISTS (SELECT FROM crawler.crawl_state started
      WHERE started.user_id = u.id AND started.stream = ${stream} AND started.last_started_at IS NOT NULL)
    AND ${isDue(completedBefore)}`
}
