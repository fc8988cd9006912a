import { describe, expect, it } from 'vitest'
import { beforeEachFreshUser } from '../../support/fresh-user.ts'
import { mutate, type operations, type TestWaymark } from '../../support/waymark.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('a session', () => {
  let waymark: TestWaymark
  let userId: string
  beforeEachFreshUser((server, user) => {
    waymark = server
    userId = user
  })

  const start = (input: Record<string, unknown> = {}) => mutate(waymark, 'startSession', { userId, ...input })
  const startId = async () => (await start())['session'].sessionId as string
  const rowOf = async (sessionId: string) =>
    (await waymark.database.query('SELECT * FROM crawler.crawl_session WHERE session_id = $1', [sessionId]))[0]

  describe('starts', () => {
    it('under an ID of its own, running, with the checkpoint to resume from', async () => {
      const first = await start()
      expect(first).toMatchObject({
        __typename: 'StartSessionSuccess',
        checkpoint: null,
        session: {
          sessionId: expect.stringMatching(UUID_V7),
          userId,
          stream: 'twitter/bookmarks',
          platform: 'TWITTER',
          status: 'RUNNING',
          completedAt: null,
          bookmarksProcessed: 0,
          directImport: false,
          enableSummarization: false,
          outputFilePath: null,
          errorMessage: null,
        },
      })
      await mutate(waymark, 'stopSession', { sessionId: first['session'].sessionId })
      await mutate(waymark, 'saveCheckpoint', { userId, itemId: '20', bookmarksCount: 7 })
      expect((await start())['checkpoint']).toEqual({ lastItemId: '20', bookmarksCount: 7 })
    })

    it('with what it was told', async () => {
      const told = { directImport: true, enableSummarization: true, outputFilePath: '/tmp/out put.json' }
      const started = await start({ ...told, sessionId: `mine-${userId}`, stream: 'reddit/saved' })
      expect(started['session']).toMatchObject({ ...told, sessionId: `mine-${userId}`, stream: 'reddit/saved' })
    })

    it('with the defaults where null is sent', async () => {
      const nothing = {
        stream: null,
        sessionId: null,
        directImport: null,
        enableSummarization: null,
        outputFilePath: null,
      }
      expect((await start(nothing))['session']).toMatchObject({ stream: 'twitter/bookmarks', directImport: false })
    })

    it('not for an unknown user', async () => {
      expect(await start({ userId: 'nobody' })).toMatchObject({
        __typename: 'UserNotFoundError',
        code: 'USER_NOT_FOUND',
      })
    })

    it('not under an ID that is taken, and shows who has it', async () => {
      const sessionId = await startId()
      expect(await start({ sessionId })).toMatchObject({
        __typename: 'SessionExistsError',
        code: 'SESSION_EXISTS',
        session: { sessionId, status: 'RUNNING' },
      })
    })

    it('once where twenty ask for the same ID at once', async () => {
      const sessionId = `race-${userId}`
      const results = await Promise.all(Array.from({ length: 20 }, () => start({ sessionId })))
      const names = results.map(({ __typename }) => __typename)
      expect(names.filter((name) => name === 'StartSessionSuccess')).toHaveLength(1)
      expect(names.filter((name) => name === 'SessionExistsError')).toHaveLength(19)
    })

    it.each([
      ['a session ID over 255 characters', { sessionId: 'x'.repeat(256) }, 'sessionId'],
      ['an empty session ID', { sessionId: '' }, 'sessionId'],
      ['a session ID with a control character', { sessionId: 'a\u007f' }, 'sessionId'],
      [
        'a session ID that is a global id',
        { sessionId: Buffer.from('CrawlSession:x').toString('base64') },
        'sessionId',
      ],
      ['a user ID with a NUL', { userId: 'a\0' }, 'userId'],
      ['a malformed stream', { stream: 'bookmarks' }, 'stream'],
      ['a path with a NUL', { outputFilePath: '/tmp/\0' }, 'outputFilePath'],
      ['a path over 4096 characters', { outputFilePath: 'x'.repeat(4097) }, 'outputFilePath'],
    ])('not with %s', async (_what, input, field) => {
      const refused = await start(input)
      expect(refused).toMatchObject({ __typename: 'InvalidInputError', issues: [{ path: ['input', field] }] })
      expect(await waymark.database.query('SELECT FROM crawler.crawl_session WHERE user_id = $1', [userId])).toEqual([])
    })
  })

  describe('lives', () => {
    it('and reports its total, which never falls', async () => {
      const sessionId = await startId()
      const beat = async (bookmarksProcessed?: number) =>
        (await mutate(waymark, 'heartbeat', { sessionId, bookmarksProcessed }))['session'].bookmarksProcessed as number
      expect(await beat(10)).toBe(10)
      expect(await beat(4)).toBe(10)
      expect(await beat()).toBe(10)
    })

    it('and is refused a heartbeat once it has ended, or was never there', async () => {
      const sessionId = await startId()
      await mutate(waymark, 'completeSession', { sessionId, bookmarksProcessed: 3 })
      expect(await mutate(waymark, 'heartbeat', { sessionId, bookmarksProcessed: 9 })).toMatchObject({
        __typename: 'SessionClosedError',
        code: 'SESSION_CLOSED',
        session: { status: 'COMPLETED' },
      })
      expect(await rowOf(sessionId)).toMatchObject({ bookmarks_processed: 3 })
      expect((await mutate(waymark, 'heartbeat', { sessionId: 'none' })).code).toBe('SESSION_NOT_FOUND')
      const refused = await mutate(waymark, 'heartbeat', { sessionId: '', bookmarksProcessed: -1 })
      expect(refused.issues?.map(({ path }) => path[1])).toEqual(['sessionId', 'bookmarksProcessed'])
    })
  })

  describe('ends', () => {
    const ends = [
      ['completeSession', 'COMPLETED', {}],
      ['stopSession', 'STOPPED', {}],
      ['failSession', 'FAILED', { errorMessage: 'HTTP 500\nfrom the API' }],
    ] as const

    it.each(ends)('by %s as %s, by the database’s clock', async (operation, status, more) => {
      const sessionId = await startId()
      const ended = await mutate(waymark, operation, { sessionId, bookmarksProcessed: 12, ...more })
      expect(ended).toMatchObject({
        __typename: 'EndSessionSuccess',
        session: { sessionId, status, bookmarksProcessed: 12, errorMessage: null, ...more },
      })
      expect(Date.parse(ended['session'].completedAt)).not.toBeNaN()
    })

    it.each(ends)('again by %s without changing anything', async (operation, _status, more) => {
      const sessionId = await startId()
      const first = await mutate(waymark, operation, { sessionId, bookmarksProcessed: 1, ...more })
      const row = await rowOf(sessionId)
      const again = {
        sessionId,
        bookmarksProcessed: 99,
        ...more,
        ...('errorMessage' in more && { errorMessage: 'other' }),
      }
      expect(await mutate(waymark, operation, again)).toEqual(first)
      expect(await rowOf(sessionId)).toEqual(row)
    })

    it.each(ends)('by %s, and is SESSION_CLOSED to the other two', async (operation, status, more) => {
      const sessionId = await startId()
      await mutate(waymark, operation, { sessionId, ...more })
      const row = await rowOf(sessionId)
      for (const [other, , otherMore] of ends.filter(([name]) => name !== operation)) {
        expect(await mutate(waymark, other, { sessionId, bookmarksProcessed: 99, ...otherMore })).toMatchObject({
          __typename: 'SessionClosedError',
          code: 'SESSION_CLOSED',
          session: { sessionId, status },
        })
      }
      expect(await rowOf(sessionId)).toEqual(row)
    })

    it('in exactly one status where all three are asked at once', async () => {
      const sessionId = await startId()
      const results = await Promise.all(
        ends.flatMap(([operation, , more]) => [1, 2, 3].map(() => mutate(waymark, operation, { sessionId, ...more }))),
      )
      expect(results.filter(({ __typename }) => __typename === 'EndSessionSuccess')).toHaveLength(3)
      expect(new Set(results.map((result) => result['session'].status as string)).size).toBe(1)
    })

    it('keeping the path it was started with unless it tells another', async () => {
      const { session } = await start({ outputFilePath: '/a' })
      const ended = await mutate(waymark, 'completeSession', { sessionId: session.sessionId })
      expect(ended['session'].outputFilePath).toBe('/a')
      const { session: second } = await start({ outputFilePath: '/a' })
      const told = await mutate(waymark, 'completeSession', { sessionId: second.sessionId, outputFilePath: '/b' })
      expect(told['session'].outputFilePath).toBe('/b')
    })

    it.each(ends)('not by %s where it never was, or with bad values', async (operation, _status, more) => {
      expect((await mutate(waymark, operation, { sessionId: 'none', ...more })).code).toBe('SESSION_NOT_FOUND')
      const refused = await mutate(waymark, operation, { sessionId: '\0', bookmarksProcessed: -1, ...more })
      expect(refused.issues?.map(({ path }) => path)).toEqual([
        ['input', 'sessionId'],
        ['input', 'bookmarksProcessed'],
      ])
    })

    it('not with an error message that cannot be stored', async () => {
      const sessionId = await startId()
      for (const errorMessage of ['a\0b', 'x'.repeat(10_001)]) {
        const refused = await mutate(waymark, 'failSession', { sessionId, errorMessage })
        expect(refused.issues).toMatchObject([{ path: ['input', 'errorMessage'] }])
      }
      expect(await rowOf(sessionId)).toMatchObject({ status: 'running' })
    })
  })

  it('that another program left in a status outside the four reads as FAILED, and is found as such', async () => {
    const sessionId = await startId()
    await waymark.database.query('ALTER TABLE crawler.crawl_session DROP CONSTRAINT crawl_session_status_is_known')
    await waymark.database.query(`UPDATE crawler.crawl_session SET status = 'cancelled' WHERE session_id = $1`, [
      sessionId,
    ])
    const { session, sessions, sessionStats } = await waymark.ask(
      `query ($sessionId: String!, $filter: CrawlSessionFilter!) {
        session(sessionId: $sessionId) { id status }
        sessions(filter: $filter) { totalCount nodes { sessionId } }
        sessionStats(filter: $filter) { total failed }
      }`,
      { sessionId, filter: { userId, status: ['FAILED'] } },
    )
    expect(session.status).toBe('FAILED')
    expect(sessions).toEqual({ totalCount: 1, nodes: [{ sessionId }] })
    expect(sessionStats).toEqual({ total: 1, failed: 1 })
    const { node } = await waymark.ask('query ($id: ID!) { node(id: $id) { ... on CrawlSession { status } } }', session)
    expect(node.status).toBe('FAILED')
    const closed: (keyof typeof operations)[] = ['completeSession', 'stopSession']
    for (const operation of closed)
      expect((await mutate(waymark, operation, { sessionId })).code).toBe('SESSION_CLOSED')
  })
})
