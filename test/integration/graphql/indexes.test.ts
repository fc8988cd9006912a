import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { namedPlatforms, other } from '../../../src/stream/platforms/platform.ts'
import { withClient } from '../../support/database.ts'
import { isOfOperations } from '../../support/statement-count.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const SESSIONS = 50_000
const CHECKPOINTS = 20_000

interface Sent {
  readonly text: string
  readonly values: readonly unknown[]
}

const isOfRequest = (text: string | undefined): text is string =>
  text !== undefined && isOfOperations(text) && !/crawler\.feed(_event)?\b/.test(text)

/** What the server sends to PostgreSQL for an operation: the very statements, with their values. */
async function capture(run: () => Promise<unknown>): Promise<Sent[]> {
  const sent: Sent[] = []
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` below
  const original = pg.Client.prototype.query
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [first] = args
    const statement = typeof first === 'string' ? { text: first, values: args[1] } : (first as Partial<Sent>)
    // What the server does by itself (its feed's reader, reaper and retention) is no part of a request.
    const { text, values } = statement
    if (isOfRequest(text)) sent.push({ text, values: Array.isArray(values) ? values : [] })
    return Reflect.apply(original, this, args) as unknown
  })
  try {
    await run()
  } finally {
    spy.mockRestore()
  }
  return sent
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

/** What a statement reads: which tables from end to end, and how many rows in all. */
async function readsOf(
  url: string,
  { text, values }: Sent,
): Promise<{ scanned: string[]; rows: number; plan: string }> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
      text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values: [...values],
    })
    const top = rows[0]?.['QUERY PLAN'][0].Plan
    if (!top) throw new Error(`no plan for ${text}`)
    // A setting for each stream that an operator gave one: a few rows.
    const isTable = (name: string | undefined) => name !== undefined && name !== 'stream_setting'
    const scans = nodesOf(top).filter((node) => isTable(node['Relation Name']))
    return {
      scanned: scans.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name'] ?? ''),
      rows: scans.reduce(
        (sum, node) => sum + (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
        0,
      ),
      plan: JSON.stringify(top, undefined, 1),
    }
  })
}

const between = 'startedAfter: "2026-01-05T00:00:00Z", startedBefore: "2026-01-06T00:00:00Z"'
const completedBetween = 'completedAfter: "2026-01-05T00:00:00Z", completedBefore: "2026-01-06T00:00:00Z"'
/** None is. */
const runningOnYouTube = 'platform: YOUTUBE, status: [RUNNING]'
const platformFilters = [...namedPlatforms, other].map(({ name }) => `platform: ${name}`)
const sessionFilters = [
  '',
  'userId: "u7"',
  'stream: "reddit/saved"',
  'stream: "rare/list"',
  ...platformFilters,
  ...['RUNNING', 'COMPLETED', 'STOPPED', 'FAILED'].map((name) => `status: [${name}]`),
  'status: [RUNNING, STOPPED]',
  'status: [RUNNING, COMPLETED, STOPPED, FAILED]',
  'startedBefore: "2026-01-05T00:00:00Z"',
  'startedAfter: "2026-01-05T00:00:00Z"',
  between,
  'completedBefore: "2026-01-05T00:00:00Z"',
  'completedAfter: "2026-01-05T00:00:00Z"',
  completedBetween,
  'stalled: true',
  'stalled: false',
  'stallReason: [LOOP]',
  'rateLimited: true',
  'rateLimited: false',
  'endReason: [REPORTED]',
  'endReason: [LEASE_EXPIRED, TAKEN_OVER]',
  'endReason: []',
  'worker: "common"',
  'worker: "rare"',
  'worker: "none"',
  'activeAfter: "2026-01-05T00:00:00Z"',
  'activeAfter: "2027-01-05T00:00:00Z"',
  'userId: "u7", status: [RUNNING]',
  'userId: "u7", status: [RUNNING, FAILED]',
  'userId: "u7", stream: "rare/list"',
  'userId: "nobody"',
  `userId: "u7", ${between}`,
  `stream: "reddit/saved", ${between}`,
  `platform: OTHER, ${between}`,
  `status: [RUNNING], ${between}`,
  runningOnYouTube,
]
const checkpointFilters = [
  '',
  'userId: "u7"',
  'userId: "nobody"',
  'stream: "twitter/bookmarks"',
  'stream: "reddit/saved"',
  'stream: "rare/list"',
  ...platformFilters,
  'crawledBefore: "2026-01-02T00:00:00Z"',
  'crawledAfter: "2026-01-02T00:00:00Z"',
  'userId: "u7", stream: "reddit/saved"',
  'platform: OTHER, crawledAfter: "2026-01-02T00:00:00Z"',
  'stream: "reddit/saved", crawledAfter: "2026-01-02T00:00:00Z", crawledBefore: "2026-01-03T00:00:00Z"',
]

/** Backward is the same statement as forward in the other order. */
const inBothDirections = (field: string, filters: readonly string[], order = '') =>
  filters.flatMap((filter) => ['first', 'last'].map((size) => ({ field, filter, order, size })))

/** Which of two indexes a combination goes by, and what it filters out then, is the planner's to weigh. */
const isCombination = (filter: string) =>
  ![between, completedBetween, runningOnYouTube].includes(filter) && /, [a-z]/.test(filter)

describe(`where there are ${SESSIONS} sessions and ${CHECKPOINTS} checkpoints`, () => {
  let waymark: TestWaymark

  beforeAll(async () => {
    waymark = await startWaymark()
    // One stream, one platform and one status are rare, one user has every tenth session.
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'u' || n FROM generate_series(1, 5000) AS n;
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, stream, status, completed_at, end_reason, worker)
        SELECT 's' || n, CASE WHEN n % 10 = 0 THEN 'u7' ELSE 'u' || (n % 5000 + 1) END, at,
          CASE WHEN n % 500 = 1 THEN 'rare/list' WHEN n % 500 = 2 THEN 'youtube/likes' WHEN n % 500 = 3 THEN 'mastodon/bookmarks'
            WHEN n % 500 = 4 THEN 'bluesky/likes' WHEN n % 500 = 5 THEN 'linkedin/saved'
            ELSE (ARRAY['twitter/bookmarks', 'twitter/likes', 'reddit/saved'])[n % 3 + 1] END,
          status, CASE WHEN status <> 'running' THEN at + interval '50 seconds' END,
          CASE WHEN status = 'running' THEN NULL WHEN n % 900 = 1 THEN 'TAKEN_OVER' WHEN n % 900 = 2 THEN 'LEASE_EXPIRED' ELSE 'REPORTED' END,
          CASE WHEN n % 800 = 1 THEN 'rare' WHEN n % 2 = 0 THEN 'common' END
        FROM generate_series(1, ${SESSIONS}) AS n,
          LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '17 seconds', CASE WHEN n % 1000 = 6 THEN 'running'
            WHEN n % 1000 = 7 THEN 'stopped' WHEN n % 10 = 8 THEN 'failed' ELSE 'completed' END) AS t (at, status);
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at)
        SELECT 'u' || n, stream, '1', timestamptz '2026-01-01Z' + n * interval '40 seconds' + place * interval '1 second'
        FROM unnest(ARRAY['twitter/bookmarks', 'twitter/likes', 'reddit/saved', 'reddit/upvoted', 'rare/list', 'youtube/likes',
            'mastodon/bookmarks', 'bluesky/likes', 'linkedin/saved']) WITH ORDINALITY AS streams (stream, place),
          generate_series(1, 5000) AS n
        WHERE place <= 4 OR n % 100 = 0`)
    await waymark.database.query('VACUUM ANALYZE')
  }, 120_000)
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function expectIndexed(query: string, atMost: number) {
    const statements = await capture(() => waymark.ask(query))
    expect(statements.length).toBeGreaterThan(0)
    for (const statement of statements) {
      const { scanned, rows, plan } = await readsOf(waymark.database.url, statement)
      expect(scanned, `${query}\n${statement.text}\n${plan}`).toEqual([])
      expect(rows, `${query}\n${statement.text}\n${plan}`).toBeLessThanOrEqual(atMost)
    }
  }

  it.each([
    ...inBothDirections('sessions', sessionFilters),
    ...inBothDirections('sessions', sessionFilters, 'orderBy: COMPLETED_AT_DESC, '),
    ...inBothDirections('checkpoints', checkpointFilters),
  ])(
    'a page of $field by { $filter }, $size, $order reads no table from end to end',
    async ({ field, filter, order, size }) => {
      // 21 rows, and as many again of each further partition or status that takes part. The user who has every tenth
      // session may be looked for by time: that reads ten times as many rows, from fewer pages.
      const isByTime = order !== '' || filter === 'userId: "u7"'
      const atMost = isCombination(filter) ? SESSIONS / 2 : isByTime ? 21 * 12 : 21 * 4
      const page = (more: string) =>
        `{ ${field}(${order}${size}: 20, filter: { ${filter} }${more}) { nodes { id } pageInfo { startCursor endCursor } } }`
      await expectIndexed(page(''), atMost)
      const { [field]: first } = await waymark.ask<Record<string, { pageInfo: Record<string, string | null> }>>(
        page(''),
      )
      const [cursor, next] =
        size === 'first' ? [first?.pageInfo['endCursor'], 'after'] : [first?.pageInfo['startCursor'], 'before']
      if (cursor != null) await expectIndexed(page(`, ${next}: "${cursor}"`), atMost)
    },
  )

  it.each(sessionFilters.filter((filter) => filter !== '' && !filter.includes('userId')))(
    "a page of a user's sessions by { %s } reads no table from end to end",
    async (filter) => {
      await expectIndexed(`{ user(userId: "u9") { sessions(first: 5, filter: { ${filter} }) { nodes { id } } } }`, 60)
    },
  )

  it.each([
    'status: [RUNNING]',
    'status: [RUNNING, STOPPED]',
    'stream: "rare/list"',
    'platform: YOUTUBE',
    'platform: OTHER',
    'userId: "u9"',
    'startedBefore: "2026-01-01T01:00:00Z"',
    'endReason: [LEASE_EXPIRED, TAKEN_OVER]',
    'worker: "rare"',
    'stallReason: [LOOP, NO_PROGRESS]',
    'rateLimited: true',
    'activeAfter: "2027-01-01T00:00:00Z"',
  ])('counts and statistics of the few sessions with { %s } read no table from end to end', async (filter) => {
    await expectIndexed(`{ sessions(first: 1, filter: { ${filter} }) { totalCount } }`, 1000)
    await expectIndexed(`{ sessionStats(filter: { ${filter} }) { total running } }`, 1000)
  })

  it.each([
    'stream: "rare/list"',
    'platform: YOUTUBE',
    'platform: OTHER',
    'userId: "u9"',
    'crawledBefore: "2026-01-01T01:00:00Z"',
  ])('counts of the few checkpoints with { %s } read no table from end to end', async (filter) => {
    await expectIndexed(`{ checkpoints(first: 1, filter: { ${filter} }) { totalCount } }`, 1000)
  })

  it.each([
    '{ node(id: "VXNlcjp1OQ==") { id } }',
    // A common stream, and none.
    '{ node(id: "U3RyZWFtOnR3aXR0ZXIvbGlrZXM=") { id } }',
    '{ node(id: "U3RyZWFtOm5vL3N0cmVhbQ==") { id } }',
    '{ streams { name oldestCheckpoint { userId } } }',
    '{ user(userId: "u9") { checkpoint { lastItemId } checkpoints { lastItemId } } }',
    '{ users(first: 20) { nodes { userId } } }',
    '{ session(sessionId: "s9") { status user { userId } checkpoint { lastItemId } } }',
    '{ checkpoint(userId: "u9", stream: "reddit/saved") { lastItemId } }',
    '{ checkpoint(userId: "u9") { lastItemId } }',
  ])('%s reads no table from end to end', async (query) => {
    await expectIndexed(query, 60)
  })
})

// EXPLAIN doesn't tell what a function reads; and of few rows the planner would rather read them all.
describe('where there are 5,000 checkpoints', () => {
  it.each([64, 500])('a set of %i saves reads no table of them from end to end', async (size) => {
    await using waymark = await startWaymark()
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'u' || n FROM generate_series(1, 5000) AS n;
      INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id, last_crawled_at)
        SELECT 'u' || n, '1', now() FROM generate_series(1, 5000) AS n`)
    await waymark.database.query('VACUUM ANALYZE')
    const inputs = Array.from({ length: size }, (_, n) => ({ userId: `u${n + 1}`, itemId: '20' }))
    const sent = await capture(() =>
      waymark.ask('mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }', {
        inputs,
      }),
    )
    const save = sent.find(({ text }) => text.includes('save_checkpoints'))
    if (!save) throw new Error('nothing was saved')
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query({ text: save.text, values: [...save.values] })
      const { rows } = await client.query<{ relname: string }>(
        `SELECT t.relname FROM pg_stat_xact_user_tables t JOIN pg_class c ON c.oid = t.relid
        WHERE t.seq_scan > 0 AND c.reltuples > 100`,
      )
      await client.query('ROLLBACK')
      expect(rows).toEqual([])
    })
  })
})
