import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

interface Connection {
  readonly nodes: readonly { readonly sessionId: string }[]
  readonly pageInfo: Record<'startCursor' | 'endCursor', string | null>
}

const ORDERS = {
  STARTED_AT_DESC: 'started_at DESC, session_id DESC',
  STARTED_AT_ASC: 'started_at, session_id',
  COMPLETED_AT_DESC: `coalesce(completed_at, '-infinity') DESC, started_at DESC, session_id DESC`,
}
const EARLY = '2026-01-03T00:00:00Z'
const LATE = '2026-01-05T00:00:00Z'
/** By what is asked, the same in SQL. */
const FILTERS = {
  [`completedBefore: "${EARLY}"`]: `completed_at < '${EARLY}'`,
  [`completedAfter: "${EARLY}"`]: `completed_at > '${EARLY}'`,
  [`completedAfter: "${EARLY}", completedBefore: "${LATE}"`]: `completed_at > '${EARLY}' AND completed_at < '${LATE}'`,
  [`startedBefore: "${LATE}"`]: `started_at < '${LATE}'`,
  [`startedAfter: "${EARLY}"`]: `started_at > '${EARLY}'`,
  [`startedAfter: "${EARLY}", startedBefore: "${LATE}"`]: `started_at > '${EARLY}' AND started_at < '${LATE}'`,
  [`completedBefore: "${LATE}", startedAfter: "${EARLY}"`]: `completed_at < '${LATE}' AND started_at > '${EARLY}'`,
  [`completedBefore: "${LATE}", status: [FAILED]`]: `completed_at < '${LATE}' AND status = 'failed'`,
  [`startedBefore: "${LATE}", status: [FAILED]`]: `started_at < '${LATE}' AND status = 'failed'`,
  'status: [RUNNING, FAILED]': `status IN ('running', 'failed')`,
  'platform: REDDIT': `split_part(stream, '/', 1) = 'reddit'`,
  'platform: OTHER': `split_part(stream, '/', 1) = 'rare'`,
  // Where none of the steps' bounds is a time any more.
  'completedAfter: "0001-01-01T00:00:00Z"': `completed_at > '0001-01-01T00:00:00Z'`,
  'startedBefore: "9999-12-31T23:59:59Z"': `started_at < '9999-12-31T23:59:59Z'`,
}

describe('a list of sessions that is merged from several index ranges', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    // Of every length on both sides of a step's bounds, at no finite time, before they started, and ended at no time.
    await waymark.database.query(`
      INSERT INTO public."user" VALUES ('ann');
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, status, started_at, completed_at)
        SELECT 's' || lpad((row_number() OVER ())::text, 4, '0'), 'ann', (ARRAY['twitter/bookmarks', 'reddit/saved', 'reddit/upvoted', 'rare/list'])[1 + n % 4],
          CASE WHEN length IS NULL AND n % 2 = 0 THEN 'running' WHEN n % 3 = 0 THEN 'failed' ELSE 'completed' END, started, started + length
        FROM generate_series(1, 24) AS n, LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '5 h 7.000001 s') AS t (started),
          unnest(ARRAY['-1 day', '-0.000001 s', '0 s', '0.999999 s', '1 s', '3.999999 s', '4 s', '63.999999 s', '64 s', '1 h', '4096 s', '18 h',
            '65536 s', '1 day', '262143.999999 s', '262144 s', '30 days', NULL]::interval[]) AS length;
      INSERT INTO crawler.crawl_session (session_id, user_id, status, started_at, completed_at) VALUES
        ('x1', 'ann', 'completed', '2026-01-04', 'infinity'), ('x2', 'ann', 'completed', '2026-01-04', '-infinity'),
        ('x3', 'ann', 'completed', '-infinity', '2026-01-04'), ('x4', 'ann', 'failed', '-infinity', '-infinity')`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  /** All pages, one after the other. */
  async function pages(orderBy: string, filter: string, backward: boolean): Promise<string[]> {
    const found: string[] = []
    let place: string | null = null
    do {
      const range: string =
        (backward ? 'last: 50' : 'first: 50') + (place ? `, ${backward ? 'before' : 'after'}: "${place}"` : '')
      const { sessions }: { sessions: Connection } = await waymark.ask(
        `{ sessions(${range}, orderBy: ${orderBy}, filter: { ${filter} }) { nodes { sessionId } pageInfo { startCursor endCursor } } }`,
      )
      const ids = sessions.nodes.map(({ sessionId }) => sessionId)
      found.splice(backward ? 0 : found.length, 0, ...ids)
      place = ids.length === 50 ? sessions.pageInfo[backward ? 'startCursor' : 'endCursor'] : null
    } while (place)
    return found
  }

  const cases = Object.entries(ORDERS).flatMap(([orderBy, order]) =>
    Object.entries(FILTERS).map(([filter, condition]) => ({ orderBy, order, filter, condition })),
  )
  it.each(cases)(
    'by { $filter }, $orderBy, is whole and in order, forward and backward',
    async ({ orderBy, order, filter, condition }) => {
      const rows = await waymark.database.query<{ session_id: string }>(
        `SELECT session_id FROM crawler.crawl_session WHERE ${condition} ORDER BY ${order}`,
      )
      const expected = rows.map(({ session_id }) => session_id)
      expect(expected.length).toBeGreaterThan(20)
      expect(await pages(orderBy, filter, false)).toEqual(expected)
      expect(await pages(orderBy, filter, true)).toEqual(expected)
    },
  )
})
