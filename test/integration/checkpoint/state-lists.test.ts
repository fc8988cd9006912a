import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const ORDERS = [
  'LAST_CRAWLED_AT_DESC',
  'LAST_CRAWLED_AT_ASC',
  'LAST_COMPLETED_AT_ASC',
  'LAST_COMPLETED_AT_DESC',
] as const
type Order = (typeof ORDERS)[number]
interface Filter {
  readonly running?: boolean | null
  readonly paused?: boolean | null
  readonly complete?: boolean | null
  readonly completedBefore?: string | null
}
/** A checkpoint as the test knows it. Times are texts of one form, so that they sort as times do. */
interface Row {
  readonly key: string
  readonly userId: string
  readonly crawledAt: string
  readonly completedAt: string
  readonly running: boolean
  readonly paused: boolean
  readonly complete: boolean
}

/** Of these times some are equal, and some differ by a microsecond. */
const BOUND = '2026-01-01T00:00:03.000Z'
const STREAMS = ['twitter/bookmarks', 'reddit/saved', 'pinboard/all']

/** Who owns a list: nobody, sessions that ended or are dead, one that another program made, and a live one. */
const SESSIONS = ['none', 'ended', 'expired', 'foreign', 'live'] as const

describe('lists of checkpoints by their state', () => {
  let waymark: TestWaymark
  let everything: Row[]
  let ask: TestWaymark['ask']
  let fail: TestWaymark['fail']
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' }, { tickMs: 3_600_000 })
    await controlClock(waymark.database)
    ;({ ask, fail } = await keyedCaller(waymark, ['read']))
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'user-' || lpad(n::text, 2, '0') FROM generate_series(1, 20) n;
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at)
        SELECT id, stream, '1', timestamptz '2026-01-01Z' + (row_number() OVER (ORDER BY id, stream) % 7) * interval '1 second'
        FROM public."user", unnest(ARRAY['${STREAMS.join("', '")}']) stream;
      CREATE TEMP TABLE odds AS SELECT user_id, stream, row_number() OVER (ORDER BY stream, user_id) AS n FROM crawler.crawl_checkpoint;
      UPDATE crawler.crawl_state st SET complete = n % 3 = 0, last_completed_at = CASE WHEN n % 4 > 0
          THEN timestamptz '2026-01-01Z' + (n % 6) * interval '1 second' + (n % 2) * interval '1 microsecond' END,
        owner_session_id = CASE WHEN n % 5 > 0 THEN 's' || n END
        FROM odds WHERE odds.user_id = st.user_id AND odds.stream = st.stream;
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status, epoch, lease_seconds, lease_expires_at)
        SELECT 's' || n, user_id, stream, now() - interval '1 day', CASE n % 5 WHEN 1 THEN 'failed' ELSE 'running' END,
          CASE n % 5 WHEN 3 THEN 0 ELSE 1 END, 60,
          CASE n % 5 WHEN 2 THEN now() - interval '1 minute' WHEN 4 THEN now() + interval '1 hour' END
        FROM odds WHERE n % 5 > 0;
      INSERT INTO crawler.crawl_pause (user_id, stream, until, paused_by)
        SELECT user_id, stream, now() + CASE n % 8 WHEN 0 THEN interval '-1 minute' ELSE interval '1 hour' END, 'local'
        FROM odds WHERE n % 8 < 3;
      -- Lists without a checkpoint are in no list of checkpoints.
      INSERT INTO crawler.crawl_state (user_id, stream, last_completed_at) SELECT id, 'youtube/likes', now() FROM public."user"`)
    const rows = await waymark.database.query<{
      user_id: string
      stream: string
      crawled: string
      completed: string | null
      n: number
    }>(
      `SELECT c.user_id, c.stream, c.last_crawled_at::text AS crawled, to_char(st.last_completed_at AT TIME ZONE 'UTC', 'HH24:MI:SS.US') AS completed,
        (row_number() OVER (ORDER BY c.stream, c.user_id))::integer AS n
      FROM crawler.crawl_checkpoint c JOIN crawler.crawl_state st USING (user_id, stream)`,
    )
    everything = rows.map(({ user_id: userId, stream, crawled, completed, n }) => ({
      ...{ key: `${userId} ${stream}`, userId, crawledAt: crawled, completedAt: completed ?? '' },
      ...{ running: SESSIONS[n % 5] === 'live', paused: n % 8 === 1 || n % 8 === 2, complete: n % 3 === 0 },
    }))
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const matches = (row: Row, filter: Filter) =>
    (['running', 'paused', 'complete'] as const).every((name) => filter[name] == null || filter[name] === row[name]) &&
    (filter.completedBefore == null || row.completedAt < '00:00:03.000000')
  function expected(order: Order, filter: Filter, among = everything): string[] {
    const timeOf = (row: Row) => (order.includes('CRAWLED') ? row.crawledAt : row.completedAt)
    const sortKey = (row: Row) => `${timeOf(row)} ${row.key}`
    const ascending = among
      .filter((row) => matches(row, filter))
      .sort((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1))
    return (order.endsWith('DESC') ? ascending.reverse() : ascending).map(({ key }) => key)
  }
  const keysOf = (list: { nodes: { userId: string; stream: string }[] }) =>
    list.nodes.map(({ userId, stream }) => `${userId} ${stream}`)
  const aliases = ORDERS.map(
    (order) =>
      `${order}: checkpoints(first: 100, orderBy: ${order}, filter: $filter) { totalCount nodes { userId stream } }`,
  )

  const CHOICES = [undefined, null, true, false]
  const FILTERS = CHOICES.flatMap((running) =>
    CHOICES.flatMap((paused) => CHOICES.map((complete) => ({ running, paused, complete }))),
  ).filter((_filter, place) => place % 3 === 0 || place < 20)

  it('keep to each filter in each order, and count what they hold', async () => {
    expect(new Set(everything.map(({ completedAt }) => completedAt)).size).toBeGreaterThan(4)
    for (const choices of FILTERS) {
      for (const completedBefore of [null, BOUND]) {
        const filter = { ...choices, completedBefore }
        const lists = await ask(`query ($filter: CheckpointFilter) { ${aliases.join(' ')} }`, { filter })
        for (const order of ORDERS) {
          const keys = expected(order, filter)
          expect({ filter, order, keys: keysOf(lists[order]) }).toEqual({ filter, order, keys })
          expect(lists[order].totalCount).toBe(keys.length)
        }
      }
    }
  })

  it.each(ORDERS)('give every row once by pages in the order %s, from both ends, ties and all', async (orderBy) => {
    const query = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: CheckpointFilter) {
      checkpoints(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: ${orderBy}) {
        nodes { userId stream } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`
    for (const filter of [{}, { complete: false, paused: false }, { running: true }]) {
      const keys = expected(orderBy, filter)
      for (const size of [3, 7]) {
        const forward: string[] = []
        const backward: string[] = []
        for (let after: string | null = null, more = true; more;) {
          const { checkpoints }: Record<string, any> = await ask(query, { filter, first: size, after })
          forward.push(...keysOf(checkpoints))
          ;({ endCursor: after, hasNextPage: more } = checkpoints.pageInfo)
        }
        for (let before: string | null = null, more = true; more;) {
          const { checkpoints }: Record<string, any> = await ask(query, { filter, last: size, before })
          backward.unshift(...keysOf(checkpoints))
          ;({ startCursor: before, hasPreviousPage: more } = checkpoints.pageInfo)
        }
        expect([forward, backward]).toEqual([keys, keys])
      }
    }
  })

  it('keep to the other filters beside these, and to the reach of the caller', async () => {
    const users = ['user-03', 'user-07', 'user-08', 'nobody']
    const bound = await keyedCaller(waymark, ['read'], users)
    const ours = everything.filter(({ userId }) => users.includes(userId))
    for (const filter of [{}, { running: true }, { paused: true }, { complete: false }, { completedBefore: BOUND }]) {
      const lists = await bound.ask(`query ($filter: CheckpointFilter) { ${aliases.join(' ')} }`, { filter })
      for (const order of ORDERS) {
        const keys = expected(order, filter, ours)
        expect(keysOf(lists[order])).toEqual(keys)
        expect(lists[order].totalCount).toBe(keys.length)
      }
      for (const [more, isIn] of [
        [{ stream: 'reddit/saved' }, (key: string) => key.endsWith(' reddit/saved')],
        [{ platform: 'OTHER' }, (key: string) => key.endsWith(' pinboard/all')],
        [{ platform: 'TWITTER' }, (key: string) => key.endsWith(' twitter/bookmarks')],
        [{ userId: 'user-05' }, (key: string) => key.startsWith('user-05 ')],
        [
          { crawledBefore: BOUND },
          (key: string) => everything.some((row) => row.key === key && row.crawledAt < '2026-01-01 00:00:03'),
        ],
      ] as const) {
        const both = { ...filter, ...more }
        const found = await ask(`query ($filter: CheckpointFilter) { ${aliases.join(' ')} }`, { filter: both })
        for (const order of ORDERS) expect(keysOf(found[order])).toEqual(expected(order, filter).filter(isIn))
      }
    }
  })

  it('say the same as the fields of each checkpoint', async () => {
    const { checkpoints } = await ask(
      '{ checkpoints(first: 100) { nodes { userId stream complete lastCompletedAt pause { until } liveSession { sessionId } } } }',
    )
    for (const { userId, stream, complete, lastCompletedAt, pause, liveSession } of checkpoints.nodes) {
      const row = everything.find(({ key }) => key === `${userId} ${stream}`)
      expect({
        ...{ complete, paused: pause !== null, running: liveSession !== null, never: lastCompletedAt === null },
      }).toEqual({
        complete: row?.complete,
        paused: row?.paused,
        running: row?.running,
        never: row?.completedAt === '',
      })
    }
  })

  it('refuse a cursor of another order, and the feed refuses filters of rows', async () => {
    for (const order of ORDERS) {
      const made = await ask(`{ checkpoints(first: 1, orderBy: ${order}) { pageInfo { endCursor } } }`)
      for (const other of ORDERS.filter((candidate) => candidate !== order)) {
        const query = `{ checkpoints(after: "${made['checkpoints'].pageInfo.endCursor}", orderBy: ${other}) { totalCount } }`
        expect((await fail(query)).code).toBe('BAD_USER_INPUT')
      }
    }
    for (const condition of [`completedBefore: "${BOUND}"`, 'running: false', 'paused: true', 'complete: false']) {
      const refused = await fail(`subscription { checkpointChanged(filter: { ${condition} }) { kind } }`)
      expect(refused.code).toBe('BAD_USER_INPUT')
    }
  })
})
