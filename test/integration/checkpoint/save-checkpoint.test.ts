import { describe, expect, it } from 'vitest'
import { statementsWaitingForLocks, withClient } from '../../support/database.ts'
import { beforeEachFreshUser } from '../../support/fresh-user.ts'
import { mutate, type TestWaymark } from '../../support/waymark.ts'

const TWEET = '2107472788858387122'
const MAX_COUNT = 2_147_483_647

describe('saveCheckpoint', () => {
  let waymark: TestWaymark
  let userId: string
  beforeEachFreshUser((server, user) => {
    waymark = server
    userId = user
  })

  const save = (input: Record<string, unknown>) =>
    mutate(waymark, 'saveCheckpoint', { userId, itemId: TWEET, ...input })
  const start = async (input: Record<string, unknown> = {}) => {
    const { session } = await mutate(waymark, 'startSession', { userId, ...input })
    return session.sessionId as string
  }
  const stored = () => waymark.database.query('SELECT * FROM crawler.crawl_checkpoint WHERE user_id = $1', [userId])

  it('makes a checkpoint, and moves it when saved again', async () => {
    const first = await save({ bookmarksCount: 10, crawledAt: '2026-10-06T14:07:22.123Z' })
    expect(first).toMatchObject({
      __typename: 'SaveCheckpointSuccess',
      created: true,
      session: null,
      checkpoint: {
        userId,
        stream: 'twitter/bookmarks',
        platform: 'TWITTER',
        lastItemId: TWEET,
        lastTweetId: TWEET,
        lastCrawledAt: '2026-10-06T14:07:22.123Z',
        bookmarksCount: 10,
      },
    })
    const second = await save({ itemId: '20', bookmarksCount: 20 })
    expect(second).toMatchObject({
      created: false,
      checkpoint: {
        id: first['checkpoint'].id,
        lastItemId: '20',
        bookmarksCount: 20,
        createdAt: first['checkpoint'].createdAt,
      },
    })
    expect(Date.parse(second['checkpoint'].updatedAt)).toBeGreaterThan(Date.parse(first['checkpoint'].updatedAt))
    expect(await stored()).toMatchObject([{ last_tweet_id: '20', bookmarks_count: 20 }])
  })

  it('keeps the count where neither bookmarksCount nor bookmarksAdded is sent, and adds what is added', async () => {
    await save({ bookmarksAdded: 7 })
    expect((await save({}))['checkpoint'].bookmarksCount).toBe(7)
    expect((await save({ bookmarksAdded: 5 }))['checkpoint'].bookmarksCount).toBe(12)
    expect((await save({ bookmarksAdded: 0 }))['checkpoint'].bookmarksCount).toBe(12)
  })

  it('takes null for the default of every optional field', async () => {
    const nothing = { stream: null, bookmarksCount: null, bookmarksAdded: null, crawledAt: null, sessionId: null }
    expect(await save(nothing)).toMatchObject({ checkpoint: { stream: 'twitter/bookmarks', bookmarksCount: 0 } })
  })

  it('keeps the streams of a user apart, in the literal table and beside it', async () => {
    await save({ bookmarksCount: 1 })
    await save({ stream: 'reddit/saved', itemId: 't3_abc', bookmarksCount: 2 })
    await save({ stream: 'twitter/likes', bookmarksCount: 3 })
    const { user } = await waymark.ask(
      `query ($userId: String!) { user(userId: $userId) { checkpoints { stream platform lastTweetId bookmarksCount } } }`,
      { userId },
    )
    expect(user.checkpoints).toEqual([
      { stream: 'reddit/saved', platform: 'REDDIT', lastTweetId: null, bookmarksCount: 2 },
      { stream: 'twitter/bookmarks', platform: 'TWITTER', lastTweetId: TWEET, bookmarksCount: 1 },
      { stream: 'twitter/likes', platform: 'TWITTER', lastTweetId: TWEET, bookmarksCount: 3 },
    ])
    expect(
      await waymark.database.query('SELECT bookmarks_count FROM crawler.twitter_crawl_checkpoint WHERE user_id = $1', [
        userId,
      ]),
    ).toEqual([{ bookmarks_count: 1 }])
  })

  it('takes the stream of the session it names, and gives the session as the save left it', async () => {
    const sessionId = await start({ stream: 'reddit/saved' })
    const saved = await save({ sessionId, itemId: 't3_abc', bookmarksAdded: 4 })
    expect(saved).toMatchObject({
      checkpoint: { stream: 'reddit/saved', bookmarksCount: 4 },
      session: { sessionId, status: 'RUNNING', bookmarksProcessed: 4 },
    })
  })

  it("counts into the session the greater of its saves' sum and the greatest total it reported", async () => {
    const sessionId = await start()
    await save({ sessionId, bookmarksAdded: 10 })
    const reported = await mutate(waymark, 'heartbeat', { sessionId, bookmarksProcessed: 25 })
    expect(reported['session'].bookmarksProcessed).toBe(25)
    expect((await save({ sessionId, bookmarksAdded: 10 }))['session'].bookmarksProcessed).toBe(25)
    expect((await save({ sessionId, bookmarksAdded: 10 }))['session'].bookmarksProcessed).toBe(30)
    // A total of the checkpoint is no count of the session.
    expect((await save({ sessionId, bookmarksCount: 500 }))['session'].bookmarksProcessed).toBe(30)
  })

  it('adds atomically: 50 clients that add 1 a hundred times each make 5,000', async () => {
    const sessionId = await start()
    const client = async () => {
      for (let round = 0; round < 100; round += 1) {
        expect((await save({ sessionId, stream: 'twitter/bookmarks', bookmarksAdded: 1 })).__typename).toBe(
          'SaveCheckpointSuccess',
        )
      }
    }
    await Promise.all(Array.from({ length: 50 }, client))
    expect(await stored()).toMatchObject([{ bookmarks_count: 5_000 }])
    const { session } = await waymark.ask(`{ session(sessionId: "${sessionId}") { bookmarksProcessed } }`)
    expect(session.bookmarksProcessed).toBe(5_000)
  }, 120_000)

  describe('refuses and writes nothing:', () => {
    const nextYear = ((BigInt(Date.now() + 365 * 86_400_000) - 1_288_834_974_657n) << 22n).toString()
    it.each([
      ['an empty item ID', { itemId: '' }, 'itemId', /tweet ID/],
      ['item ID "0"', { itemId: '0' }, 'itemId', /tweet ID/],
      ['item ID "12a"', { itemId: '12a' }, 'itemId', /tweet ID/],
      ['an item ID with a leading zero', { itemId: '012' }, 'itemId', /tweet ID/],
      ['item ID 2^63', { itemId: (2n ** 63n).toString() }, 'itemId', /tweet ID/],
      ['a Snowflake of next year', { itemId: nextYear }, 'itemId', /still to come/],
      ['a control character in an item ID', { stream: 'other/list', itemId: 'a\u0007' }, 'itemId', /control/],
      ['an item ID over 255 characters', { stream: 'other/list', itemId: 'x'.repeat(256) }, 'itemId', /255/],
      ['a stream over 255 characters', { stream: `twitter/${'x'.repeat(248)}` }, 'stream', /255/],
      ['a stream with a NUL', { stream: 'twitter/\0' }, 'stream', /<platform>\/<list>/],
      ['a stream in upper case', { stream: 'Twitter/bookmarks' }, 'stream', /lower case/],
      ['a stream without a list', { stream: 'twitter' }, 'stream', /<platform>\/<list>/],
      ['a negative count', { bookmarksCount: -1 }, 'bookmarksCount', /negative/],
      ['a negative addition', { bookmarksAdded: -1 }, 'bookmarksAdded', /negative/],
      ['both counts', { bookmarksCount: 1, bookmarksAdded: 1 }, 'bookmarksAdded', /together/],
      ['a crawl of 1970', { crawledAt: '1970-01-01T00:00:00Z' }, 'crawledAt', /between/],
      [
        'a crawl of next year',
        { crawledAt: new Date(Date.now() + 365 * 86_400_000).toISOString() },
        'crawledAt',
        /between/,
      ],
      ['a user ID that is a global id', { userId: Buffer.from('User:a').toString('base64') }, 'userId', /global id/],
      [
        'a session ID that is a global id',
        { sessionId: Buffer.from('CrawlSession:a').toString('base64') },
        'sessionId',
        /global id/,
      ],
    ])('%s', async (_what, input, field, message) => {
      const refused = await save(input)
      expect(refused).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
      expect(refused.issues).toEqual([{ path: ['input', field], message: expect.stringMatching(message) }])
      expect(await stored()).toEqual([])
    })

    it('every wrong value at once, each named', async () => {
      const refused = await save({ userId: 'a\0', stream: 'X', itemId: '', bookmarksCount: -1, sessionId: '' })
      expect(refused.issues?.map(({ path }) => path.at(-1)).sort()).toEqual([
        'bookmarksCount',
        'itemId',
        'sessionId',
        'stream',
        'userId',
      ])
    })

    it('an unknown user', async () => {
      expect(await save({ userId: 'nobody' })).toMatchObject({
        __typename: 'UserNotFoundError',
        code: 'USER_NOT_FOUND',
      })
      expect(await waymark.database.query(`SELECT FROM crawler.crawl_checkpoint WHERE user_id = 'nobody'`)).toEqual([])
    })

    it('an unknown session', async () => {
      expect(await save({ sessionId: 'none' })).toMatchObject({
        __typename: 'SessionNotFoundError',
        code: 'SESSION_NOT_FOUND',
      })
      expect(await stored()).toEqual([])
    })

    it("another user's session, and another stream's", async () => {
      await mutate(waymark, 'registerUser', { userId: 'other' })
      const { session } = await mutate(waymark, 'startSession', { userId: 'other' })
      expect((await save({ sessionId: session.sessionId })).code).toBe('SESSION_NOT_FOUND')
      expect((await save({ sessionId: session.sessionId, stream: 'twitter/bookmarks' })).code).toBe('SESSION_NOT_FOUND')
      const ofReddit = await start({ stream: 'reddit/saved' })
      expect((await save({ sessionId: ofReddit, stream: 'twitter/bookmarks' })).code).toBe('SESSION_NOT_FOUND')
      // A session that isn't there outranks what else is wrong.
      expect((await save({ sessionId: session.sessionId, itemId: '12a' })).code).toBe('SESSION_NOT_FOUND')
      expect((await save({ sessionId: 'none', itemId: '12a' })).code).toBe('SESSION_NOT_FOUND')
      expect(await stored()).toEqual([])
    })

    it('an ended session, which it shows', async () => {
      const sessionId = await start()
      await save({ sessionId, bookmarksAdded: 1 })
      await mutate(waymark, 'stopSession', { sessionId })
      const refused = await save({ sessionId, itemId: '21', bookmarksAdded: 1 })
      expect(refused).toMatchObject({
        __typename: 'SessionClosedError',
        code: 'SESSION_CLOSED',
        closed: { sessionId, status: 'STOPPED' },
      })
      expect(await stored()).toMatchObject([{ last_tweet_id: TWEET, bookmarks_count: 1 }])
    })

    it('a sum that would overflow, of the checkpoint or of the session', async () => {
      await save({ bookmarksCount: MAX_COUNT })
      const refused = await save({ itemId: '21', bookmarksAdded: 1 })
      expect(refused.issues).toEqual([
        { path: ['input', 'bookmarksAdded'], message: expect.stringMatching(/2147483647/) },
      ])
      expect(await stored()).toMatchObject([{ last_tweet_id: TWEET, bookmarks_count: MAX_COUNT }])

      const sessionId = await start({ stream: 'twitter/likes' })
      await save({ sessionId, bookmarksAdded: MAX_COUNT })
      await save({ sessionId, bookmarksCount: 0 })
      expect((await save({ sessionId, bookmarksAdded: 1 })).code).toBe('INVALID_INPUT')
    })

    it('a count that is no 32-bit integer, as a top-level error', async () => {
      const answer = await waymark.send(
        `mutation { saveCheckpoint(input: { userId: "a", itemId: "1", bookmarksCount: 2147483648 }) { __typename } }`,
      )
      expect(answer.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    })
  })

  it('takes a tweet ID of now and one from before Snowflake', async () => {
    const now = ((BigInt(Date.now()) - 1_288_834_974_657n) << 22n).toString()
    expect((await save({ itemId: now })).__typename).toBe('SaveCheckpointSuccess')
    expect((await save({ itemId: '29700859246' })).__typename).toBe('SaveCheckpointSuccess')
    expect((await save({ itemId: '1' })).__typename).toBe('SaveCheckpointSuccess')
  })

  it('is not delayed by a neighbour whose row another transaction holds, which is written when that is over', async () => {
    await save({ bookmarksCount: 1 })
    const others = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const other = `${userId}-${index}`
        await mutate(waymark, 'registerUser', { userId: other })
        return other
      }),
    )
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT FROM crawler.crawl_checkpoint WHERE user_id = $1 FOR UPDATE', [userId])
      let heldIsDone = false
      const held = save({ bookmarksCount: 2 }).finally(() => (heldIsDone = true))
      const results = await Promise.all(others.map((other) => save({ userId: other, bookmarksCount: 3 })))
      expect(results.every(({ __typename }) => __typename === 'SaveCheckpointSuccess')).toBe(true)
      expect(heldIsDone).toBe(false)
      await client.query('COMMIT')
      expect((await held)['checkpoint'].bookmarksCount).toBe(2)
    })
  })

  it('answers a row that stays locked with a retriable fault, and writes nothing', async () => {
    await save({ bookmarksCount: 1 })
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT FROM crawler.crawl_checkpoint WHERE user_id = $1 FOR UPDATE', [userId])
      const answer = await waymark.send(
        `mutation { saveCheckpoint(input: { userId: "${userId}", itemId: "21" }) { __typename } }`,
      )
      expect(answer).toMatchObject({ status: 503, errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }] })
      await client.query('ROLLBACK')
    })
    expect(await stored()).toMatchObject([{ last_tweet_id: TWEET }])
  })

  it('answers USER_NOT_FOUND where the user is deleted meanwhile, and leaves the neighbours alone', async () => {
    await mutate(waymark, 'registerUser', { userId: 'leaving' })
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query(`DELETE FROM public."user" WHERE id = 'leaving'`)
      const leaving = save({ userId: 'leaving' })
      const staying = save({})
      // Both are in flight once the first waits for the deletion.
      await statementsWaitingForLocks(client, 1)
      await client.query('COMMIT')
      expect((await leaving).code).toBe('USER_NOT_FOUND')
      expect((await staying).__typename).toBe('SaveCheckpointSuccess')
    })
  })
})
