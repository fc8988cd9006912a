import { describe, expect, it } from 'vitest'
import { localOperator } from '../../../src/identity/principal.ts'
import { createWorld } from '../access/worlds.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { readFeed } from '../../support/feed-reader.ts'

const ASK = `mutation ($input: RequestStopSessionsInput!) { result: requestStopSessions(input: $input) {
  __typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }
  ... on RequestStopSessionsSuccess { matched requested } } }`

describe('requestStopSessions', () => {
  const crawls = setUpCrawls()
  const ask = async (input: Record<string, unknown>) =>
    (await crawls.waymark.ask<{ result: Record<string, any> }>(ASK, { input })).result
  const success = (matched: number, requested: number) => ({
    __typename: 'RequestStopSessionsSuccess',
    ...{ matched, requested },
  })
  const told = async (sessionId: string) =>
    (
      await crawls.waymark.ask(
        'query ($id: String!) { session(sessionId: $id) { status stopRequestedAt stopReason } }',
        {
          id: sessionId,
        },
      )
    ).session
  const startOn = (worker: string, stream: string) => crawls.startId({ worker, stream })

  it('asks each running session that matches, once, and says why', async () => {
    const [worker, streams] = [crawls.userId, ['twitter/bookmarks', 'twitter/likes', 'reddit/saved']]
    const ids = await Promise.all(streams.map((stream) => startOn(worker, stream)))
    const [first = '', second = '', third = ''] = ids
    await crawls.run('stopSession', { sessionId: third })
    await crawls.run('requestStop', { sessionId: first })
    const before = await told(first)
    expect(before.stopReason).toBeNull()

    expect(await ask({ filter: { worker }, reason: 'deployment' })).toEqual(success(2, 1))
    expect(await told(first)).toEqual(before)
    expect(await told(second)).toEqual({
      status: 'RUNNING',
      stopRequestedAt: expect.any(String),
      stopReason: 'deployment',
    })
    expect(await told(third)).toEqual({ status: 'STOPPED', stopRequestedAt: null, stopReason: null })
    const asked = await told(second)
    expect(await ask({ filter: { worker }, reason: 'another' })).toEqual(success(2, 0))
    expect(await told(second)).toEqual(asked)
    expect((await crawls.run('heartbeat', { sessionId: second }))['stopRequested']).toBe(true)
    await crawls.run('stopSession', { sessionId: second })
    expect((await told(second)).stopReason).toBe('deployment')
  })

  it('counts and asks nobody in a dry run', async () => {
    const sessionId = await crawls.startId()
    const filter = { userId: crawls.userId }
    expect(await ask({ filter, dryRun: true, reason: 'why' })).toEqual(success(1, 0))
    expect(await ask({ filter, dryRun: true, expectedMatched: 1 })).toEqual(success(1, 0))
    expect((await ask({ filter, dryRun: true, expectedMatched: 2 })).code).toBe('INVALID_INPUT')
    expect(await told(sessionId)).toMatchObject({ stopRequestedAt: null, stopReason: null })
  })

  it('asks none where another number matches than expected', async () => {
    const sessionId = await crawls.startId()
    const filter = { userId: crawls.userId }
    for (const expectedMatched of [0, 2, -1]) {
      const refused = await ask({ filter, expectedMatched })
      expect(refused['code']).toBe('INVALID_INPUT')
      expect(refused['issues'][0].path).toEqual(['input', 'expectedMatched'])
      expect(refused['issues'][0].message).toContain('1 running sessions match')
    }
    expect((await told(sessionId)).stopRequestedAt).toBeNull()
    expect(await ask({ filter, expectedMatched: 1 })).toEqual(success(1, 1))
    // Those that were asked before still match.
    expect(await ask({ filter, expectedMatched: 1 })).toEqual(success(1, 0))
    expect(await ask({ filter: { userId: 'nobody' }, expectedMatched: 0 })).toEqual(success(0, 0))
  })

  it('refuses a filter without a condition, unless all is true', async () => {
    const sessionId = await crawls.startId()
    for (const filter of [
      {},
      { userId: null },
      { userId: null, status: null, stalled: null, activeAfter: null, worker: null },
    ]) {
      for (const all of [false, null, undefined]) {
        const refused = await ask({ filter, all })
        expect(refused['issues']).toEqual([
          { path: ['input', 'filter'], message: expect.stringContaining('all: true') },
        ])
        expect((await ask({ filter, all, dryRun: true })).code).toBe('INVALID_INPUT')
      }
    }
    expect((await told(sessionId)).stopRequestedAt).toBeNull()
    // Conditions all the same: false, and a list that matches nothing.
    expect(await ask({ filter: { userId: crawls.userId, stalled: false }, dryRun: true })).toEqual(success(1, 0))
    expect(await ask({ filter: { status: [] } })).toEqual(success(0, 0))
    expect(await ask({ filter: { status: ['COMPLETED', 'FAILED'] } })).toEqual(success(0, 0))
    const everybody = await ask({ filter: {}, all: true })
    expect(everybody['requested']).toBeGreaterThanOrEqual(1)
    expect((await told(sessionId)).stopRequestedAt).not.toBeNull()
    // `all` allows to leave conditions out. It does not switch them off.
    expect(await ask({ filter: { userId: 'nobody' }, all: true })).toEqual(success(0, 0))
  })

  it.each([
    [{ filter: { userId: '' } }, ['input', 'filter', 'userId']],
    [{ filter: { stream: 'no stream' } }, ['input', 'filter', 'stream']],
    [{ filter: { worker: '' } }, ['input', 'filter', 'worker']],
    [{ filter: { worker: 'w' }, reason: 'x'.repeat(501) }, ['input', 'reason']],
    [{ filter: { worker: 'w' }, reason: 'a\u0000b' }, ['input', 'reason']],
  ])('refuses %j', async (input, path) => {
    const refused = await ask(input)
    expect(refused['code']).toBe('INVALID_INPUT')
    expect(refused['issues'][0].path).toEqual(path)
  })

  it(
    'asks many more than one statement takes, each with one event, while their crawlers save',
    { timeout: 60_000 },
    async () => {
      await crawls.waymark.database.query(
        `WITH many AS (INSERT INTO public."user" SELECT 'many-' || n FROM generate_series(1, 1100) n RETURNING id)
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status, worker, stop_requested_at)
      SELECT 'of-' || id, id, 'twitter/bookmarks', timestamptz '2026-01-01Z' + (right(id, 1))::integer * interval '1 s', 'running', 'fleet',
        CASE WHEN id LIKE '%00' THEN timestamptz '2026-01-02Z' END FROM many`,
      )
      expect((await ask({ filter: { worker: 'fleet' }, expectedMatched: 1099 })).code).toBe('INVALID_INPUT')
      const eventsOf = () =>
        crawls.waymark.database.query<{ events: number; sessions: number }>(
          `SELECT count(*)::integer AS events, count(DISTINCT session_id)::integer AS sessions FROM crawler.feed_event
        WHERE kind = 'SESSION_STOP_REQUESTED' AND session_id LIKE 'of-many-%'`,
        )
      expect(await eventsOf()).toEqual([{ events: 0, sessions: 0 }])
      const asking = ask({ filter: { worker: 'fleet' }, expectedMatched: 1100, reason: 'all' })
      expect((await crawls.save()).__typename).toBe('SaveCheckpointSuccess')
      expect(await asking).toEqual(success(1100, 1089))
      expect(await eventsOf()).toEqual([{ events: 1089, sessions: 1089 }])
      expect(await ask({ filter: { worker: 'fleet' } })).toEqual(success(1100, 0))
      expect(await eventsOf()).toEqual([{ events: 1089, sessions: 1089 }])
    },
  )

  it('is told by the feed once for each', async () => {
    const { feedCursor } = (await crawls.waymark.ask('{ sessions(first: 1) { feedCursor } }')).sessions
    const sessionId = await crawls.startId()
    for (let turn = 0; turn < 3; turn += 1) await ask({ filter: { userId: crawls.userId }, reason: 'deployment' })
    await crawls.run('stopSession', { sessionId })
    const variables = { filter: { userId: crawls.userId }, after: feedCursor }
    const { told: events } = await readFeed(crawls.waymark.url, 'sessionStatusChanged', variables, 3)
    const event = { cursor: expect.any(String), userId: crawls.userId, stream: 'twitter/bookmarks', sessionId }
    expect(events).toEqual([
      { ...event, kind: 'STARTED', previousStatus: null, status: 'RUNNING' },
      { ...event, kind: 'STOP_REQUESTED', previousStatus: 'RUNNING', status: 'RUNNING' },
      { ...event, kind: 'STATUS_CHANGED', previousStatus: 'RUNNING', status: 'STOPPED' },
    ])
  })

  it('reaches only the sessions of the users that the caller reaches', async () => {
    await using world = await createWorld()
    for (const userId of ['own', 'other']) {
      for (const mutation of [
        `registerUser(input: { userId: "${userId}" })`,
        `startSession(input: { userId: "${userId}", sessionId: "of-${userId}", worker: "w" })`,
      ]) {
        await world.ask(localOperator, `mutation { ${mutation} { __typename } }`)
      }
    }
    const bound = { ...localOperator, subject: 'key:own', userIds: new Set(['own']) }
    const stop = 'requestStopSessions(input: { filter: {}, all: true, expectedMatched: 1 })'
    const { data } = await world.ask(
      bound,
      `mutation { ${stop} { ... on RequestStopSessionsSuccess { matched requested } } }`,
    )
    expect(data).toEqual({ requestStopSessions: { matched: 1, requested: 1 } })
    expect(
      await world.database.query('SELECT session_id FROM crawler.crawl_session WHERE stop_requested_at IS NOT NULL'),
    ).toMatchObject([{ session_id: 'of-own' }])
  })
})
