import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import type { CheckpointRevision } from '../../database/generated/client.ts'
import { type KeysetPage, keysetSql, type Page, pageOf } from '../../database/keyset.ts'
import { reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import type { Reach } from '../../identity/principal.ts'
import { revisionColumns } from './revision.ts'

/**
 * A page of the revisions that one session wrote. Requests for the same page of different sessions share a statement.
 */
export interface RevisionsOfSession {
  readonly sessionId: string
  readonly page: KeysetPage
}

/** Loaders of the revisions that sessions wrote, newest first. They share statements and cache nothing. */
export function createRevisionLoaders(database: Database, reach: Reach) {
  return createSharedReads<RevisionsOfSession, Page<CheckpointRevision>>(
    async (asked) => {
      const pages = new Map<string, { readonly page: KeysetPage; readonly sessionIds: string[] }>()
      const keys = asked.map(({ sessionId, page }) => {
        const key = JSON.stringify(page)
        const group = pages.get(key) ?? { page, sessionIds: [] }
        group.sessionIds.push(sessionId)
        pages.set(key, group)
        return key
      })
      const read = [...pages].map(async ([key, { page, sessionIds }]) => {
        return [key, await listRevisionsOfSessions(database, reach, sessionIds, page)] as const
      })
      const found = new Map(await Promise.all(read))
      return asked.map(({ sessionId, page }, place) => {
        const rows = found.get(keys[place] ?? '')?.get(sessionId) ?? []
        return pageOf(rows, page, (node) => ({ node, position: [String(node.version)] }))
      })
    },
    JSON.stringify,
    database.readTracer,
  )
}

/**
 * How many revisions sessions wrote. Made for one operation, so that its caller pays for the rows that are counted.
 */
export function createRevisionCounts(database: Database, reach: Reach) {
  return createSharedReads<string, number>(
    async (sessionIds) => {
      const rows = await scan<{ session_id: string; count: number }>(
        database,
        Prisma.sql`SELECT s.session_id, count(*)::integer AS count FROM crawler.crawl_session s
          ${LAST_VERSION} JOIN crawler.checkpoint_revision r ON ${IS_OF_SESSION}
          WHERE s.session_id = ANY (${[...sessionIds]}::text[]) AND ${reachSql(Prisma.sql`s.user_id`, reach)} GROUP BY s.session_id`,
      )
      const counts = new Map(rows.map((row) => [row.session_id, row.count]))
      return sessionIds.map((sessionId) => counts.get(sessionId) ?? 0)
    },
    (sessionId) => sessionId,
    database.readTracer,
  )
}

async function listRevisionsOfSessions(
  database: Database,
  reach: Reach,
  sessionIds: readonly string[],
  page: KeysetPage,
): Promise<Map<string, CheckpointRevision[]>> {
  const key = [Prisma.sql`r.version`]
  const rows = await database.query<{ session_id: string; revision: JsonRow<CheckpointRevision> }>(
    Prisma.sql`SELECT s.session_id, to_jsonb(r) AS revision
      FROM crawler.crawl_session s ${LAST_VERSION} CROSS JOIN LATERAL (
        SELECT r.* FROM crawler.checkpoint_revision r WHERE ${IS_OF_SESSION} AND ${keysetSql.after(key, 'DESC', page)}
        ${keysetSql.orderAndLimit(key, 'DESC', page)}
      ) AS r
      WHERE s.session_id = ANY (${[...sessionIds]}::text[]) AND ${reachSql(Prisma.sql`s.user_id`, reach)}
      ORDER BY s.session_id, r.version ${Prisma.raw(page.backward ? 'ASC' : 'DESC')}`,
  )
  const bySession = new Map<string, CheckpointRevision[]>()
  for (const { session_id: sessionId, revision } of rows) {
    const revisions = bySession.get(sessionId) ?? []
    revisions.push(revisionColumns.fromJson(revision))
    bySession.set(sessionId, revisions)
  }
  return bySession
}

// A session owns its list alone, so its revisions lie among those of its list: after the last version before its start,
// and up to the last before the next session's. The primary key holds them in order. An index by session would be
// written by each save of a session.
const LAST_VERSION = Prisma.sql`LEFT JOIN LATERAL (
    SELECT n.start_version AS version FROM crawler.crawl_session n
    WHERE s.epoch > 0 AND n.user_id = s.user_id AND n.stream = s.stream AND n.epoch > s.epoch
    ORDER BY n.epoch LIMIT 1
  ) AS last ON TRUE`
const IS_OF_SESSION = Prisma.sql`r.user_id = s.user_id AND r.stream = s.stream AND r.session_id = s.session_id
  AND r.version > coalesce(s.start_version, 0) AND r.version <= coalesce(last.version, 2147483647)`
