import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

describe('node', () => {
  let waymark: TestWaymark
  const ids: Record<string, string> = {}
  beforeAll(async () => {
    waymark = await startWaymark()
    // Separators of every kind in the natural keys.
    const userId = 'al:i"ce/[é]'
    const registered = await mutate(waymark, 'registerUser', { userId })
    const saved = await mutate(waymark, 'saveCheckpoint', { userId, stream: 'reddit/saved', itemId: 't3_a' })
    const started = await mutate(waymark, 'startSession', { userId, sessionId: 'run:1' })
    ids['User'] = registered['user'].id
    ids['Checkpoint'] = saved['checkpoint'].id
    ids['CrawlSession'] = started['session'].id
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const ofId =
    'query ($id: ID!) { node(id: $id) { __typename id ... on User { userId } ... on Checkpoint { lastItemId user { id } } ... on CrawlSession { sessionId status } } }'

  it.each([
    ['User', { userId: 'al:i"ce/[é]' }],
    ['Checkpoint', { lastItemId: 't3_a' }],
    ['CrawlSession', { sessionId: 'run:1', status: 'RUNNING' }],
  ])('finds a %s by its id', async (type, fields) => {
    const { node } = await waymark.ask(ofId, { id: ids[type] })
    expect(node).toMatchObject({ __typename: type, id: ids[type], ...fields })
  })

  it('is null for what is not there (any more)', async () => {
    const gone = Buffer.from('CrawlSession:gone').toString('base64')
    expect(await waymark.ask(ofId, { id: gone })).toEqual({ node: null })
    const cleared = Buffer.from('Checkpoint:["nobody","twitter/bookmarks"]').toString('base64')
    expect(await waymark.ask(ofId, { id: cleared })).toEqual({ node: null })
  })

  it('answers several in the order asked, null where there is none', async () => {
    const asked = [
      ids['CrawlSession'],
      Buffer.from('User:nobody').toString('base64'),
      ids['User'],
      ids['Checkpoint'],
      ids['User'],
    ]
    const { nodes } = await waymark.ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: asked })
    expect(nodes.map((node: { id: string } | null) => node?.id ?? null)).toEqual([
      asked[0],
      null,
      asked[2],
      asked[3],
      asked[4],
    ])
  })

  it('does not mix up keys that are the same text when user and stream are written one after the other', async () => {
    const keys = [
      ['x', '1twitter/bookmarks'],
      ['x1', 'twitter/bookmarks'],
      ['1 x', 'reddit/saved'],
      ['1', ' xreddit/saved'],
    ]
    await waymark.database.query(`INSERT INTO public."user" SELECT unnest(ARRAY['x', 'x1', '1 x', '1'])`)
    for (const [userId, stream] of keys)
      await waymark.database.query(
        'INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ($1, $2, $3)',
        [userId, stream, '20'],
      )
    const asked = keys.map((key) => Buffer.from(`Checkpoint:${JSON.stringify(key)}`).toString('base64'))
    const { nodes } = await waymark.ask(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Checkpoint { userId stream } } }',
      { ids: asked },
    )
    expect(nodes).toEqual(keys.map(([userId, stream], place) => ({ id: asked[place], userId, stream })))
  })

  it.each([
    ['an empty id', ''],
    ['a natural key', 'alice'],
    ['a type that has no id', Buffer.from('PageInfo:1').toString('base64')],
    ['a type that is none', Buffer.from('Nothing:1').toString('base64')],
    ['an id without a key', Buffer.from('User:').toString('base64')],
    ['an id with a NUL', Buffer.from('User:a\0').toString('base64')],
    ['an id of bytes that are no text', Buffer.from([0x55, 0x73, 0x65, 0x72, 0x3a, 0xff, 0xfe]).toString('base64')],
    ['a checkpoint of one key', Buffer.from('Checkpoint:["a"]').toString('base64')],
    ['a checkpoint that is no JSON', Buffer.from('Checkpoint:a').toString('base64')],
    ['a checkpoint with a NUL', Buffer.from('Checkpoint:["a\\u0000","twitter/bookmarks"]').toString('base64')],
  ])('refuses %s, alone and among others', async (_what, id) => {
    expect((await waymark.fail(ofId, { id })).code).toBe('BAD_USER_INPUT')
    expect(
      (await waymark.fail('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [ids['User'], id] })).code,
    ).toBe('BAD_USER_INPUT')
  })

  it('takes every id that the API gives out, whatever foreign writers call their rows', async () => {
    const odd = [
      'Jos\ufffd',
      'x'.repeat(255),
      '\u{1f516}'.repeat(255),
      'a\nb\t',
      '\u007f\u0085',
      '"[\\"]',
      'User:a',
      '\u2028',
      'e\u0301',
      '\ufeff',
      ' ',
      btoa('User:a'),
      '%00',
    ]
    await waymark.database.query(`INSERT INTO public."user" SELECT unnest($1::text[])`, [odd])
    await waymark.database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id)
       SELECT id, stream, '20' FROM unnest($1::text[]) id, unnest(ARRAY['twitter/bookmarks', E'odd \ufffd/\u2028"']) stream`,
      [odd],
    )
    await waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, status, started_at)
       SELECT id, id, 'failed', now() FROM unnest($1::text[]) id`,
      [odd],
    )
    const { users, checkpoints, sessions } = await waymark.ask(`{
      users(first: 100) { nodes { __typename id checkpoints { id } } }
      checkpoints(first: 100) { nodes { __typename id } }
      sessions(first: 100) { nodes { __typename id user { id } } } }`)
    const history = await waymark.ask(
      'query ($userId: String!) { checkpointHistory(userId: $userId) { nodes { __typename id } } }',
      {
        userId: '\u2028',
      },
    )
    const given = [users, checkpoints, sessions, history['checkpointHistory']].flatMap(({ nodes }) => nodes)
    expect(new Set(given.map(({ __typename }) => __typename)).size).toBe(4)
    for (let start = 0; start < given.length; start += 100) {
      const page = given.slice(start, start + 100).map(({ __typename, id }) => ({ __typename, id }))
      const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }'
      expect((await waymark.ask(query, { ids: page.map(({ id }) => id as string) })).nodes).toEqual(page)
    }
    const names = new Set(sessions.nodes.map(({ id }: { id: string }) => Buffer.from(id, 'base64').toString()))
    for (const name of odd) expect(names).toContain(`CrawlSession:${name}`)
  })

  it('refuses more than 100 at once', async () => {
    const many = Array.from({ length: 101 }, () => ids['User'])
    expect((await waymark.fail('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: many })).code).toBe(
      'BAD_USER_INPUT',
    )
  })
})

describe('reads by natural key', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('are null where there is nothing', async () => {
    expect(
      await waymark.ask(
        '{ user(userId: "a") { userId } checkpoint(userId: "a") { id } session(sessionId: "a") { id } }',
      ),
    ).toEqual({ user: null, checkpoint: null, session: null })
  })

  const globalId = Buffer.from('User:a').toString('base64')
  it.each([
    ['user', `user(userId: "${globalId}") { id }`],
    ['checkpoint', `checkpoint(userId: "${globalId}") { id }`],
    ['session', `session(sessionId: "${Buffer.from('CrawlSession:a').toString('base64')}") { id }`],
    ['user with a NUL', 'user(userId: "a\\u0000") { id }'],
    ['session over 255 characters', `session(sessionId: "${'x'.repeat(256)}") { id }`],
    ['checkpoint of a malformed stream', 'checkpoint(userId: "a", stream: "bookmarks") { id }'],
    ['checkpoint of an empty user', 'checkpoint(userId: "") { id }'],
  ])('refuse a %s that can name nothing', async (_what, field) => {
    expect((await waymark.fail(`{ ${field} }`)).code).toBe('BAD_USER_INPUT')
  })
})
