import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const CONFIGURE = `mutation ($input: ConfigureStreamInput!) {
  result: configureStream(input: $input) { __typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }
    ... on ConfigureStreamSuccess { stream { id name platform ordering } } } }`
const SAVE = `mutation ($input: SaveCheckpointInput!) {
  result: saveCheckpoint(input: $input) { __typename ... on UserError { code message }
    ... on SaveCheckpointSuccess { checkpoint { lastItemId version } } ... on OrderViolationError { lastItemId } } }`

async function configure(waymark: TestWaymark, name: string, ordering: string): Promise<MutationResult> {
  return (await waymark.ask<{ result: MutationResult }>(CONFIGURE, { input: { name, ordering } })).result
}

describe('streams', () => {
  let waymark: TestWaymark
  beforeEach(async () => {
    waymark = await startWaymark()
    for (const userId of ['ann', 'bob']) await mutate(waymark, 'registerUser', { userId })
    return () => waymark[Symbol.asyncDispose]()
  })

  const listed = async () => {
    const { streams } = await waymark.ask(
      '{ streams { name platform ordering oldestCheckpoint { userId stream lastCrawledAt } } }',
    )
    return streams as Record<string, any>[]
  }
  const save = (userId: string, stream: string, itemId: string, crawledAt: string) =>
    mutate(waymark, 'saveCheckpoint', { userId, stream, itemId, crawledAt })

  it('are none in a new database', async () => {
    expect(await listed()).toEqual([])
  })

  it('are each that has a checkpoint, a session or a setting, once and by name', async () => {
    await save('ann', 'twitter/bookmarks', '20', '2026-01-02T00:00:00Z')
    await save('ann', 'reddit/saved', 't3_a', '2026-01-02T00:00:00Z')
    await save('bob', 'reddit/saved', 't3_a', '2026-01-01T00:00:00Z')
    await mutate(waymark, 'startSession', { userId: 'ann', stream: 'youtube/likes' })
    await mutate(waymark, 'startSession', { userId: 'bob', stream: 'reddit/saved' })
    await configure(waymark, 'mastodon/bookmarks', 'ASCENDING')
    await configure(waymark, 'twitter/bookmarks', 'NONE')
    expect(await listed()).toEqual([
      { name: 'mastodon/bookmarks', platform: 'MASTODON', ordering: 'ASCENDING', oldestCheckpoint: null },
      {
        name: 'reddit/saved',
        platform: 'REDDIT',
        ordering: 'NONE',
        oldestCheckpoint: { userId: 'bob', stream: 'reddit/saved', lastCrawledAt: '2026-01-01T00:00:00.000Z' },
      },
      {
        name: 'twitter/bookmarks',
        platform: 'TWITTER',
        ordering: 'NONE',
        oldestCheckpoint: { userId: 'ann', stream: 'twitter/bookmarks', lastCrawledAt: '2026-01-02T00:00:00.000Z' },
      },
      { name: 'youtube/likes', platform: 'YOUTUBE', ordering: 'NONE', oldestCheckpoint: null },
    ])
  })

  it('are also those that others wrote, under whatever name', async () => {
    await waymark.database.query(`
      INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ('ann', '20');
      INSERT INTO crawler.crawl_session (session_id, user_id, stream) VALUES ('s', 'ann', 'Not a/Stream:é')`)
    expect((await listed()).map(({ name, platform }) => [name, platform])).toEqual([
      ['Not a/Stream:é', 'OTHER'],
      ['twitter/bookmarks', 'TWITTER'],
    ])
  })

  it('forget one whose last checkpoint is cleared', async () => {
    await save('ann', 'reddit/saved', 't3_a', '2026-01-02T00:00:00Z')
    await mutate(waymark, 'clearCheckpoint', { userId: 'ann', stream: 'reddit/saved' })
    expect(await listed()).toEqual([])
  })

  it('have the longest not crawled checkpoint as their oldest, whichever was made first', async () => {
    for (const stream of ['twitter/bookmarks', 'twitter/likes']) {
      await save('ann', stream, '20', '2026-01-05T00:00:00Z')
      await save('bob', stream, '20', '2026-01-03T00:00:00Z')
      await save('bob', stream, '21', '2026-01-07T00:00:00Z')
    }
    expect((await listed()).map(({ oldestCheckpoint }) => oldestCheckpoint.userId)).toEqual(['ann', 'ann'])
  })

  it('read one index entry a stream and not every session', async () => {
    await waymark.database.query(`
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, status)
        SELECT 's' || n, 'ann', 'reddit/list-' || n % 3, 'completed' FROM generate_series(1, 20000) n`)
    await waymark.database.query('VACUUM ANALYZE crawler.crawl_session')
    const before = await entriesRead()
    expect(await listed()).toHaveLength(3)
    // Statistics arrive late; ask until those of this request are there.
    await expect.poll(entriesRead, { timeout: 20_000 }).toBeGreaterThan(before)
    expect((await entriesRead()) - before).toBeLessThan(100)

    async function entriesRead(): Promise<number> {
      const [row] = await waymark.database.query<{ read: string }>(`
        SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = 'crawler.crawl_session'::regclass)
          + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'crawler.crawl_session'::regclass) AS read`)
      return Number(row?.read)
    }
  })

  describe('as nodes', () => {
    const nodeOf = (id: string) =>
      waymark.ask('query ($id: ID!) { node(id: $id) { __typename id ... on Stream { name ordering } } }', { id })

    it('are found by their id', async () => {
      const { stream } = await configure(waymark, 'reddit/saved', 'ASCENDING')
      expect(await nodeOf(stream.id)).toEqual({
        node: { __typename: 'Stream', id: stream.id, name: 'reddit/saved', ordering: 'ASCENDING' },
      })
    })

    it('are null where nothing is known of the stream (any more)', async () => {
      await save('ann', 'twitter/likes', '20', '2026-01-02T00:00:00Z')
      const { streams } = await waymark.ask('{ streams { id } }')
      await mutate(waymark, 'clearCheckpoint', { userId: 'ann', stream: 'twitter/likes' })
      expect(await nodeOf(streams[0].id)).toEqual({ node: null })
      expect(await nodeOf(Buffer.from('Stream:twitter/bookmarks').toString('base64'))).toEqual({ node: null })
    })

    it('come back by name, not by their id, as a user ID', async () => {
      const { stream } = await configure(waymark, 'reddit/saved', 'NONE')
      expect((await waymark.fail('query ($id: String!) { user(userId: $id) { id } }', { id: stream.id })).code).toBe(
        'BAD_USER_INPUT',
      )
    })
  })
})

describe('configureStream', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('sets the ordering, and sets it again', async () => {
    for (const ordering of ['ASCENDING', 'ASCENDING', 'NONE']) {
      expect(await configure(waymark, 'twitter/bookmarks', ordering)).toMatchObject({
        __typename: 'ConfigureStreamSuccess',
        stream: { name: 'twitter/bookmarks', platform: 'TWITTER', ordering },
      })
    }
  })

  it.each(['twitter/a', 'reddit/a', 'linkedin/a', 'mastodon/a', 'bluesky/a'])('lets %s ascend', async (name) => {
    expect((await configure(waymark, name, 'ASCENDING')).__typename).toBe('ConfigureStreamSuccess')
  })

  it.each(['youtube/likes', 'pinboard/all'])('refuses ASCENDING for %s, whose IDs have no order', async (name) => {
    expect(await configure(waymark, name, 'ASCENDING')).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: ['input', 'ordering'], message: expect.stringMatching(/^must be NONE: /) }],
    })
    expect((await configure(waymark, name, 'NONE')).__typename).toBe('ConfigureStreamSuccess')
  })

  it.each([
    '',
    'bookmarks',
    'Twitter/bookmarks',
    'twitter/',
    '/a',
    'twitter/a b',
    'a/b/c',
    `twitter/${'a'.repeat(248)}`,
  ])('refuses the name %j', async (name) => {
    for (const ordering of ['NONE', 'ASCENDING']) {
      expect(await configure(waymark, name, ordering)).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'name'] }],
      })
    }
    const { streams } = await waymark.ask('{ streams { name } }')
    expect(streams.map((stream: { name: string }) => stream.name)).not.toContain(name)
  })
})

describe('an ASCENDING stream', () => {
  let waymark: TestWaymark
  let userId: string
  let users = 0
  beforeAll(async () => {
    waymark = await startWaymark()
    await configure(waymark, 'twitter/bookmarks', 'ASCENDING')
    await configure(waymark, 'reddit/saved', 'ASCENDING')
    await configure(waymark, 'linkedin/saved', 'ASCENDING')
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    userId = `user-${(users += 1)}`
    await mutate(waymark, 'registerUser', { userId })
  })

  const save = async (itemId: string, input: Record<string, unknown> = {}) =>
    (await waymark.ask<{ result: MutationResult }>(SAVE, { input: { userId, itemId, ...input } })).result
  const saved = { __typename: 'SaveCheckpointSuccess' }
  const violation = (lastItemId: string) => ({ __typename: 'OrderViolationError', code: 'ORDER_VIOLATION', lastItemId })

  it('refuses a save below the stored item, by number and not by text, and changes nothing', async () => {
    await save('9')
    expect(await save('10', { pageToken: 'p' })).toMatchObject(saved)
    expect(await save('9', { bookmarksAdded: 5 })).toMatchObject(violation('10'))
    const { checkpoint } = await waymark.ask(
      'query ($userId: String!) { checkpoint(userId: $userId) { lastItemId bookmarksCount pageToken version } }',
      { userId },
    )
    expect(checkpoint).toEqual({ lastItemId: '10', bookmarksCount: 0, pageToken: 'p', version: 2 })
  })

  it('takes the stored item again', async () => {
    await save('10')
    expect(await save('10', { bookmarksAdded: 1 })).toMatchObject({ ...saved, checkpoint: { version: 2 } })
  })

  it('refuses it from the session that owns the stream too', async () => {
    const { session } = await mutate(waymark, 'startSession', { userId })
    await save('10', { sessionId: session.sessionId })
    expect(await save('9', { sessionId: session.sessionId })).toMatchObject(violation('10'))
  })

  it('judges saves of one request in order, each by what the one before it left', async () => {
    const { results } = await waymark.ask(
      `mutation ($inputs: [SaveCheckpointInput!]!) { results: saveCheckpoints(inputs: $inputs) { __typename } }`,
      { inputs: ['5', '7', '6', '7', '8'].map((itemId) => ({ userId, itemId })) },
    )
    expect(results.map(({ __typename }: { __typename: string }) => __typename)).toEqual([
      'SaveCheckpointSuccess',
      'SaveCheckpointSuccess',
      'OrderViolationError',
      'SaveCheckpointSuccess',
      'SaveCheckpointSuccess',
    ])
  })

  it('takes items of another kind, which do not compare', async () => {
    const stream = 'reddit/saved'
    expect(await save('t3_zz', { stream })).toMatchObject(saved)
    expect(await save('t3_z', { stream })).toMatchObject(violation('t3_zz'))
    expect(await save('t1_a', { stream })).toMatchObject(saved)
    expect(await save('t3_b', { stream })).toMatchObject(saved)
  })

  it('takes whatever kinds a saved list of LinkedIn holds, with the times of posts only', async () => {
    const stream = 'linkedin/saved'
    const post = 'urn:li:activity:7075043149462556672'
    // An article whose number would be a time in 2036, a profile, a compound URN, an older article.
    const others = [
      'urn:li:linkedInArticle:8918538953396427236',
      'urn:li:fsd_profile:ACoAAAJ9wXkBz',
      `urn:li:save:(${post},1)`,
    ]
    for (const itemId of [post, ...others, 'urn:li:share:7075043149462556672', post]) {
      const input = { userId, stream, itemId }
      const { result } = await waymark.ask(
        `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) {
          __typename ... on SaveCheckpointSuccess { checkpoint { lastItemId lastItemPublishedAt } } } }`,
        { input },
      )
      expect(result).toEqual({
        __typename: 'SaveCheckpointSuccess',
        checkpoint: {
          lastItemId: itemId,
          lastItemPublishedAt: others.includes(itemId) ? null : '2023-06-15T09:35:34.777Z',
        },
      })
    }
    expect(await save('urn:li:activity:7075043149462556671', { stream })).toMatchObject(violation(post))
    await save('urn:li:jobPosting:1000', { stream })
    expect(await save('urn:li:jobPosting:999', { stream })).toMatchObject(violation('urn:li:jobPosting:1000'))
  })

  it('takes any item after another program has written the row: its place is unknown', async () => {
    await save('100')
    await waymark.database.query(
      `UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '50' WHERE user_id = $1`,
      [userId],
    )
    expect(await save('40')).toMatchObject(saved)
    expect(await save('39')).toMatchObject(violation('40'))
  })

  it('keeps its place where another program writes the row but not the item', async () => {
    await save('100')
    await waymark.database.query('UPDATE crawler.twitter_crawl_checkpoint SET bookmarks_count = 9 WHERE user_id = $1', [
      userId,
    ])
    expect(await save('40')).toMatchObject(violation('100'))
  })

  it('begins anew after a clear', async () => {
    await save('100')
    await mutate(waymark, 'clearCheckpoint', { userId })
    expect(await save('40')).toMatchObject(saved)
  })

  it('judges the version first', async () => {
    await save('100')
    expect(await save('40', { expectedVersion: 7 })).toMatchObject({ code: 'VERSION_CONFLICT' })
  })

  it('judges by what was stored before it was configured, and no longer once it is NONE', async () => {
    const stream = 'twitter/likes'
    await save('100', { stream })
    expect(await save('90', { stream })).toMatchObject(saved)
    await configure(waymark, stream, 'ASCENDING')
    expect(await save('80', { stream })).toMatchObject(violation('90'))
    await configure(waymark, stream, 'NONE')
    expect(await save('80', { stream })).toMatchObject(saved)
  })
})
