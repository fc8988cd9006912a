import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

interface Connection {
  readonly totalCount: number
  readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[]
  readonly nodes: readonly Record<string, unknown>[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
}

const LISTS = {
  users: { filter: undefined, order: undefined, key: 'userId' },
  checkpoints: { filter: 'CheckpointFilter', order: 'CheckpointOrder', key: 'id' },
  sessions: { filter: 'CrawlSessionFilter', order: 'CrawlSessionOrder', key: 'sessionId' },
}
type List = keyof typeof LISTS

describe('lists', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    // 47 sessions, many of them within one microsecond of each other, and checkpoints in three partitions' worth of streams.
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'user-' || lpad(n::text, 2, '0') FROM generate_series(1, 23) n;
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at)
        SELECT 'user-' || lpad(n::text, 2, '0'), stream, n::text, timestamptz '2026-01-01 00:00:00.000001Z' + (n / 3) * interval '1 microsecond'
        FROM generate_series(1, 23) n, unnest(ARRAY['twitter/bookmarks', 'reddit/saved', 'pinboard/all']) stream;
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status)
        SELECT 's' || lpad(n::text, 3, '0'), 'user-' || lpad((1 + n % 5)::text, 2, '0'),
          (ARRAY['twitter/bookmarks', 'reddit/saved', 'pinboard/all'])[1 + n % 3],
          timestamptz '2026-01-01 00:00:00Z' + (n / 4) * interval '1 microsecond',
          (ARRAY['running', 'completed', 'stopped', 'failed'])[1 + n % 4]
        FROM generate_series(1, 47) n`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function list(name: List, args: Record<string, unknown> = {}): Promise<Connection> {
    const { filter, order, key } = LISTS[name]
    const declared = [
      '$first: Int, $after: String, $last: Int, $before: String',
      filter && `$filter: ${filter}`,
      order && `$orderBy: ${order}`,
    ].filter(Boolean)
    const passed = ['first', 'after', 'last', 'before', filter && 'filter', order && 'orderBy'].filter(Boolean)
    // A variable that is declared and not sent leaves the argument to its default.
    const data = await waymark.ask<Record<string, Connection>>(
      `query (${declared.join(', ')}) { ${name}(${passed.map((arg) => `${arg}: $${arg}`).join(', ')}) {
        totalCount edges { cursor node { ${key} } } nodes { ${key} }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
      args,
    )
    const connection = data[name]
    if (!connection) throw new Error('no connection')
    return connection
  }

  const keysOf = (name: List, { nodes }: Connection) => nodes.map((node) => node[LISTS[name].key] as string)

  async function walk(
    name: List,
    size: number,
    backward: boolean,
    args: Record<string, unknown> = {},
  ): Promise<string[]> {
    const keys: string[] = []
    let cursor: string | null = null
    for (;;) {
      const page: Connection = await list(
        name,
        backward ? { ...args, last: size, before: cursor } : { ...args, first: size, after: cursor },
      )
      expect(page.edges.map(({ node }) => node)).toEqual(page.nodes)
      expect(page.pageInfo.startCursor).toBe(page.edges[0]?.cursor ?? null)
      expect(page.pageInfo.endCursor).toBe(page.edges.at(-1)?.cursor ?? null)
      if (backward) keys.unshift(...keysOf(name, page))
      else keys.push(...keysOf(name, page))
      expect(backward ? page.pageInfo.hasNextPage : page.pageInfo.hasPreviousPage).toBe(cursor !== null)
      const more = backward ? page.pageInfo.hasPreviousPage : page.pageInfo.hasNextPage
      if (!more) return keys
      cursor = backward ? page.pageInfo.startCursor : page.pageInfo.endCursor
    }
  }

  const cases = [
    ['users', undefined],
    ['checkpoints', 'LAST_CRAWLED_AT_DESC'],
    ['checkpoints', 'LAST_CRAWLED_AT_ASC'],
    ['sessions', 'STARTED_AT_DESC'],
    ['sessions', 'STARTED_AT_ASC'],
    ['sessions', 'COMPLETED_AT_DESC'],
  ] as const

  it.each(cases)('give every row of %s once in order %s, page by page, in both directions', async (name, orderBy) => {
    const args = orderBy ? { orderBy } : {}
    const all = keysOf(name, await list(name, { ...args, first: 100 }))
    expect(new Set(all).size).toBe({ users: 23, checkpoints: 69, sessions: 47 }[name])
    for (const size of [1, 7, 100]) {
      expect(await walk(name, size, false, args)).toEqual(all)
      expect(await walk(name, size, true, args)).toEqual(all)
    }
  })

  it('are ordered as they say, the newest first unless asked otherwise', async () => {
    const byTime = await waymark.database.query<{ session_id: string }>(
      'SELECT session_id FROM crawler.crawl_session ORDER BY started_at DESC, session_id DESC',
    )
    const newestFirst = byTime.map((row) => row.session_id)
    expect(keysOf('sessions', await list('sessions', { first: 100 }))).toEqual(newestFirst)
    expect(keysOf('sessions', await list('sessions', { first: 100, orderBy: null }))).toEqual(newestFirst)
    const oldestFirst = await list('sessions', { first: 100, orderBy: 'STARTED_AT_ASC' })
    expect(keysOf('sessions', oldestFirst)).toEqual([...newestFirst].reverse())
  })

  it('hold 20 rows where no size is asked, and count them all', async () => {
    const page = await list('sessions')
    expect(page.nodes).toHaveLength(20)
    expect(page.totalCount).toBe(47)
    expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false })
  })

  it('can be empty', async () => {
    const none = await list('sessions', { filter: { userId: 'nobody' } })
    expect(none).toMatchObject({
      totalCount: 0,
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, startCursor: null },
    })
    expect(await list('sessions', { first: 0 })).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true } })
  })

  it('go on where they were when the row of the cursor is gone', async () => {
    const all = keysOf('users', await list('users', { first: 100 }))
    await waymark.database.query(`INSERT INTO public."user" VALUES ('user-10b')`)
    const page = await list('users', { first: 11 })
    expect(keysOf('users', page).at(-1)).toBe('user-10b')
    await waymark.database.query(`DELETE FROM public."user" WHERE id = 'user-10b'`)
    const rest = await list('users', { first: 100, after: page.pageInfo.endCursor })
    expect(keysOf('users', rest)).toEqual(all.slice(10))
  })

  it.each([
    ['userId', { userId: 'user-02' }, `user_id = 'user-02'`],
    ['stream', { stream: 'reddit/saved' }, `stream = 'reddit/saved'`],
    ['platform', { platform: 'REDDIT' }, `stream = 'reddit/saved'`],
    ['platform TWITTER', { platform: 'TWITTER' }, `stream = 'twitter/bookmarks'`],
    ['platform OTHER', { platform: 'OTHER' }, `stream = 'pinboard/all'`],
    ['platform of none', { platform: 'BLUESKY' }, 'false'],
    ['one status', { status: ['RUNNING'] }, `status = 'running'`],
    ['several statuses', { status: ['FAILED', 'STOPPED', 'FAILED'] }, `status IN ('failed', 'stopped')`],
    ['no status', { status: [] }, 'false'],
    [
      'nulls',
      { userId: null, stream: null, platform: null, status: null, startedBefore: null, startedAfter: null },
      'true',
    ],
    [
      'all at once',
      { userId: 'user-02', platform: 'REDDIT', status: ['STOPPED', 'RUNNING'] },
      `user_id = 'user-02' AND stream = 'reddit/saved' AND status IN ('stopped', 'running')`,
    ],
    ['startedBefore', { startedBefore: '2026-01-01T00:00:00.000Z' }, `started_at < '2026-01-01T00:00:00Z'`],
    ['startedAfter', { startedAfter: '2026-01-01T00:00:00.000Z' }, `started_at > '2026-01-01T00:00:00Z'`],
  ])('of sessions keep to a filter by %s, in list, count, stats and page by page', async (_what, filter, condition) => {
    const rows = await waymark.database.query<{ session_id: string }>(
      `SELECT session_id FROM crawler.crawl_session WHERE ${condition} ORDER BY started_at DESC, session_id DESC`,
    )
    const expected = rows.map((row) => row.session_id)
    const found = await list('sessions', { filter, first: 100 })
    expect(keysOf('sessions', found)).toEqual(expected)
    expect(found.totalCount).toBe(expected.length)
    expect(await walk('sessions', 3, false, { filter })).toEqual(expected)
    expect(await walk('sessions', 3, true, { filter })).toEqual(expected)
    const { sessionStats } = await waymark.ask(
      'query ($filter: CrawlSessionFilter) { sessionStats(filter: $filter) { total } }',
      { filter },
    )
    expect(sessionStats.total).toBe(expected.length)
  })

  it.each([
    ['userId', { userId: 'user-02' }, 3],
    ['stream', { stream: 'reddit/saved' }, 23],
    ['the default stream', { stream: 'twitter/bookmarks' }, 23],
    ['platform', { platform: 'REDDIT' }, 23],
    ['platform TWITTER', { platform: 'TWITTER' }, 23],
    ['platform OTHER', { platform: 'OTHER' }, 23],
    ['crawledBefore', { crawledBefore: '2026-01-01T00:00:00.001Z' }, 69],
    ['crawledAfter', { crawledAfter: '2026-01-01T00:00:00.001Z' }, 0],
    ['user and platform', { userId: 'user-03', platform: 'OTHER' }, 1],
  ])('of checkpoints keep to a filter by %s', async (_what, filter, count) => {
    const found = await list('checkpoints', { filter, first: 100 })
    expect(found.nodes).toHaveLength(count)
    expect(found.totalCount).toBe(count)
    expect(await walk('checkpoints', 5, false, { filter })).toEqual(keysOf('checkpoints', found))
  })

  it("of a user's sessions page and count like the others", async () => {
    const ofUser = async (args: string) => {
      const { user } = await waymark.ask<{ user: { sessions: Connection } }>(
        `{ user(userId: "user-02") { sessions(${args}) { totalCount nodes { sessionId } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`,
      )
      return user.sessions
    }
    const all = await ofUser('first: 100')
    expect(all.totalCount).toBe(10)
    const first = await ofUser('first: 4')
    const rest = await ofUser(`first: 100, after: "${first.pageInfo.endCursor ?? ''}"`)
    expect([...first.nodes, ...rest.nodes]).toEqual(all.nodes)
    expect((await ofUser('last: 3')).nodes).toEqual(all.nodes.slice(-3))
    const filtered = await ofUser('filter: { status: [RUNNING] }')
    expect(filtered.totalCount).toBe(filtered.nodes.length)
    expect((await ofUser('filter: { userId: "user-03" }')).nodes).toEqual([])
  })

  it('sum up sessions by status', async () => {
    await waymark.database.query(`UPDATE crawler.crawl_session SET bookmarks_processed = 2147483647`)
    const { sessionStats } = await waymark.ask(
      '{ sessionStats { total running completed stopped failed bookmarksProcessed } }',
    )
    expect(sessionStats).toEqual({
      total: 47,
      running: 11,
      completed: 12,
      stopped: 12,
      failed: 12,
      bookmarksProcessed: 47 * 2_147_483_647,
    })
  })

  describe('refuse', () => {
    const foreignCursor = Buffer.from(
      JSON.stringify(['sessions STARTED_AT_ASC', '2026-01-01 00:00:00+00', 's1']),
    ).toString('base64url')
    const badDate = Buffer.from(JSON.stringify(['sessions STARTED_AT_DESC', '2026-99-99 00:00:00+00', 's1'])).toString(
      'base64url',
    )
    it.each([
      ['first and last together', 'sessions(first: 1, last: 1)', /first and last/],
      ['first over 100', 'sessions(first: 101)', /100/],
      ['last over 100', 'users(last: 101)', /100/],
      ['a negative first', 'checkpoints(first: -1)', /negative/],
      [
        'first and last together below a user',
        'user(userId: "user-02") { sessions(first: 1, last: 1) { totalCount } } users',
        /first and last/,
      ],
      ['a malformed cursor', 'sessions(after: "nonsense")', /no cursor/],
      [
        'a cursor of another list',
        `sessions(after: "${Buffer.from('["users","a"]').toString('base64url')}")`,
        /no cursor/,
      ],
      ['a cursor of another order', `sessions(before: "${foreignCursor}")`, /no cursor/],
      ['a cursor with a date that is none', `sessions(after: "${badDate}")`, /no cursor/],
      [
        'a cursor with a NUL',
        `users(after: "${Buffer.from('["users","\\u0000"]').toString('base64url')}")`,
        /no cursor/,
      ],
      [
        'a filter by a user that is a global id',
        `sessions(filter: { userId: "${Buffer.from('User:a').toString('base64')}" })`,
        /global id/,
      ],
      ['a filter by a malformed stream', 'checkpoints(filter: { stream: "x" })', /stream/],
      ['a date out of range', 'sessions(filter: { startedBefore: "0000-01-01T00:00:00Z" })', /DateTime/],
      ['a date that is none', 'sessions(filter: { startedBefore: "2026-02-30T00:00:00Z" })', /DateTime/],
      ['a date that is no RFC 3339', 'checkpoints(filter: { crawledAfter: "yesterday" })', /DateTime/],
    ])('%s', async (_what, field, message) => {
      expect(await waymark.fail(`{ ${field} { totalCount nodes { id } } }`)).toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(message),
      })
    })
  })
})
