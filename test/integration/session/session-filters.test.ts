import { beforeAll, describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const HOUR_MS = 3_600_000
const NOW = Date.now()
const ago = (hours: number) => new Date(NOW - hours * HOUR_MS)

interface Row {
  readonly id: string
  readonly userId: string
  readonly stream: string
  readonly status: string
  readonly startedAt: Date
  readonly completedAt: Date | null
  readonly endReason: string | null
  readonly worker: string | null
  readonly limitedUntil: Date | null
}

const WORKERS = ['pod-1', 'Pod-1', 'pod_1', null]
const REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER', null]
/** 120 sessions of three users. Some that run have a time of completion, which only another program writes. */
const rows: Row[] = Array.from({ length: 120 }, (_, n) => {
  const status = ['running', 'completed', 'stopped', 'failed', 'completed'][n % 5] ?? ''
  const runs = status === 'running'
  return {
    id: `s${String(n).padStart(3, '0')}`,
    userId: `filtered-${n % 3}`,
    stream: ['twitter/bookmarks', 'reddit/saved'][n % 2] ?? '',
    status,
    startedAt: ago(200 - n),
    completedAt: runs && n % 4 !== 0 ? null : ago(199 - n - (n % 7)),
    endReason: runs ? null : (REASONS[n % 4] ?? null),
    worker: WORKERS[n % WORKERS.length] ?? null,
    limitedUntil: n % 2 === 0 ? null : ago(n % 3 === 0 ? -1 : 1),
  }
})

const activeAfter = ago(120)
/** By filter: which sessions it matches. */
const FILTERS: readonly (readonly [filter: Record<string, unknown>, matches: (row: Row) => boolean])[] = [
  [{ endReason: ['REPORTED'] }, ({ endReason }) => endReason === 'REPORTED'],
  [
    { endReason: ['LEASE_EXPIRED', 'TAKEN_OVER'] },
    ({ endReason }) => endReason === 'LEASE_EXPIRED' || endReason === 'TAKEN_OVER',
  ],
  [
    { endReason: ['TAKEN_OVER', 'TAKEN_OVER'], status: ['FAILED', 'STOPPED'] },
    ({ endReason, status }) => endReason === 'TAKEN_OVER' && status !== 'completed',
  ],
  [{ endReason: [] }, () => false],
  [{ endReason: null, stallReason: null, worker: null, rateLimited: null, activeAfter: null }, () => true],
  [{ worker: 'pod-1' }, ({ worker }) => worker === 'pod-1'],
  [{ worker: 'pod%' }, () => false],
  [
    { worker: 'pod_1', endReason: ['REPORTED'] },
    ({ worker, endReason }) => worker === 'pod_1' && endReason === 'REPORTED',
  ],
  [{ rateLimited: true }, (row) => isLimited(row)],
  [{ rateLimited: false }, (row) => !isLimited(row)],
  [{ rateLimited: true, stream: 'reddit/saved' }, (row) => isLimited(row) && row.stream === 'reddit/saved'],
  [{ activeAfter }, (row) => isActive(row)],
  [{ activeAfter, status: ['STOPPED', 'RUNNING'] }, (row) => isActive(row) && /stopped|running/.test(row.status)],
  [{ activeAfter, completedAfter: ago(90) }, (row) => isActive(row) && (row.completedAt ?? 0) > ago(90)],
  [
    { activeAfter: ago(90), completedAfter: ago(120) },
    (row) => row.completedAt !== null && row.completedAt > (row.status === 'running' ? ago(120) : ago(90)),
  ],
  [{ activeAfter, startedBefore: ago(150) }, (row) => isActive(row) && row.startedAt < ago(150)],
  [{ activeAfter, platform: 'REDDIT' }, (row) => isActive(row) && row.stream === 'reddit/saved'],
  [{ activeAfter, worker: 'Pod-1' }, (row) => isActive(row) && row.worker === 'Pod-1'],
  [
    { activeAfter, endReason: ['REPORTED', 'TAKEN_OVER'] },
    (row) => isActive(row) && /REPORTED|TAKEN_OVER/.test(row.endReason ?? ''),
  ],
  [{ activeAfter: '2100-01-01T00:00:00Z' }, ({ status }) => status === 'running'],
]
const isLimited = ({ status, limitedUntil }: Row) =>
  status === 'running' && limitedUntil !== null && limitedUntil.getTime() > NOW
const isActive = ({ status, completedAt }: Row) =>
  status === 'running' || (completedAt !== null && completedAt > activeAfter)

const byStart = (one: Row, other: Row) => one.startedAt.getTime() - other.startedAt.getTime()
const doneAt = ({ completedAt }: Row) => completedAt?.getTime() ?? -Infinity
const ORDERS: Record<string, (one: Row, other: Row) => number> = {
  STARTED_AT_DESC: (one, other) => byStart(other, one),
  STARTED_AT_ASC: byStart,
  COMPLETED_AT_DESC: (one, other) =>
    doneAt(one) === doneAt(other) ? byStart(other, one) : doneAt(other) - doneAt(one),
}

describe('the filters of sessions', () => {
  const crawls = setUpCrawls()
  const ask = (query: string, variables: Record<string, unknown>) => crawls.waymark.ask(query, variables)
  beforeAll(async () => {
    await crawls.waymark.database.query(
      `WITH users AS (INSERT INTO public."user" SELECT 'filtered-' || n FROM generate_series(0, 2) n RETURNING id)
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status, end_reason, worker, rate_limited_until)
      SELECT r.id, users.id, r.stream, r."startedAt", r."completedAt", r.status, r."endReason", r.worker, r."limitedUntil"
      FROM users JOIN json_to_recordset($1) AS r (id text, "userId" text, stream text, "startedAt" timestamptz, "completedAt" timestamptz,
        status text, "endReason" text, worker text, "limitedUntil" timestamptz) ON r."userId" = users.id`,
      [JSON.stringify(rows)],
    )
  })

  const LIST = `query ($filter: CrawlSessionFilter, $orderBy: CrawlSessionOrder, $after: String) {
    sessions(first: 17, after: $after, orderBy: $orderBy, filter: $filter) {
      totalCount nodes { sessionId } pageInfo { hasNextPage endCursor } }
    sessionStats(filter: $filter) { total running } }`
  const OF_USER = `query ($filter: CrawlSessionFilter) { user(userId: "filtered-1") {
    sessions(first: 100, filter: $filter) { totalCount nodes { sessionId } } } }`

  it.each(FILTERS)('%j matches what it says, in each order, page by page, and is counted', async (filter, matches) => {
    for (const [orderBy, compare] of Object.entries(ORDERS)) {
      const expected = rows.filter(matches).sort(compare)
      const found: string[] = []
      for (let after: string | null = null; ;) {
        const data = await ask(LIST, { filter, orderBy, after })
        found.push(...data.sessions.nodes.map(({ sessionId }: { sessionId: string }) => sessionId))
        expect(data.sessions.totalCount).toBe(expected.length)
        expect(data.sessionStats).toEqual({
          total: expected.length,
          running: expected.filter(({ status }) => status === 'running').length,
        })
        if (!data.sessions.pageInfo.hasNextPage) break
        after = data.sessions.pageInfo.endCursor
      }
      expect(found).toEqual(expected.map(({ id }) => id))
    }
    const own = rows
      .filter((row) => row.userId === 'filtered-1' && matches(row))
      .sort((one, other) => byStart(other, one))
    expect((await ask(OF_USER, { filter })).user.sessions).toEqual({
      totalCount: own.length,
      nodes: own.map(({ id }) => ({ sessionId: id })),
    })
  })

  it.each([
    ['worker', ''],
    ['worker', 'x'.repeat(256)],
    ['worker', 'a\u0000b'],
    ['endReason', 'GONE'],
    ['activeAfter', 'yesterday'],
  ])('refuses %s %j', async (name, value) => {
    const answer = await crawls.waymark.send(LIST, { filter: { [name]: value } })
    expect(answer.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })

  it('take a session as it is written through the API', async () => {
    const matching = async (filter: Record<string, unknown>) =>
      (await ask(LIST, { filter: { userId: crawls.userId, ...filter } })).sessions.nodes.length as number
    const sessionId = await crawls.startId({ worker: 'pod-9' })
    expect(await matching({ worker: 'pod-9', rateLimited: false, activeAfter: '2100-01-01T00:00:00Z' })).toBe(1)
    await crawls.run('heartbeat', { sessionId, rateLimitedUntil: new Date(Date.now() + 60_000).toISOString() })
    expect(await matching({ rateLimited: true })).toBe(1)
    await crawls.startId({ takeover: true })
    expect(await matching({ rateLimited: true })).toBe(0)
    expect(await matching({ endReason: ['TAKEN_OVER'], worker: 'pod-9' })).toBe(1)
    expect(await matching({ endReason: ['REPORTED'] })).toBe(0)
  })
})
