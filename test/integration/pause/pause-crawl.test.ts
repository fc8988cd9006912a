import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

const RESULT = `__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }
  ... on StaleEpochError { currentEpoch } ... on SessionClosedError { session { sessionId } }
  ... on PauseCrawlSuccess { pause { until reason pausedBy } }`
const PAUSE = `mutation ($input: PauseCrawlInput!) { result: pauseCrawl(input: $input) { ${RESULT} } }`
const UNPAUSE = `mutation ($input: UnpauseCrawlInput!) { result: unpauseCrawl(input: $input) { ${RESULT} } }`
const START = `mutation ($input: StartSessionInput!) { result: startSession(input: $input) {
  __typename ... on UserError { code message } ... on StreamPausedError { pause { until reason pausedBy } }
  ... on StreamBusyError { owner { sessionId } } ... on StartSessionSuccess { session { sessionId } plan { pause { until } } } } }`

type Asker = Pick<TestWaymark, 'ask' | 'fail'>
const asking = (query: string) => async (asker: Asker, input: Record<string, unknown>) =>
  (await asker.ask<{ result: MutationResult }>(query, { input })).result
const pause = asking(PAUSE)
const unpause = asking(UNPAUSE)
const start = asking(START)

describe('a pause', () => {
  const crawls = setUpCrawls()
  const key = (more: Record<string, unknown> = {}) => ({ userId: crawls.userId, ...more })
  const read = async (stream?: string) => {
    const query = `query ($userId: String!, $stream: String) { crawlPause(userId: $userId, stream: $stream) { until reason pausedBy } }`
    return (await crawls.waymark.ask(query, { userId: crawls.userId, ...(stream !== undefined && { stream }) }))[
      'crawlPause'
    ] as unknown
  }

  it('needs no checkpoint, and is read with its reason and who asked', async () => {
    expect(await read()).toBeNull()
    const until = inMs(HOUR_MS)
    const whole = { until, reason: 'account suspended', pausedBy: 'local' }
    expect(await pause(crawls.waymark, key({ until, reason: 'account suspended' }))).toEqual({
      __typename: 'PauseCrawlSuccess',
      pause: whole,
    })
    expect(await read()).toEqual(whole)
    // One list of the user, and no other.
    expect(await read('reddit/saved')).toBeNull()
    expect(await unpause(crawls.waymark, key())).toEqual({ __typename: 'PauseCrawlSuccess', pause: null })
    expect(await read()).toBeNull()
    // Again, and for one that was never paused.
    expect(await unpause(crawls.waymark, key())).toEqual({ __typename: 'PauseCrawlSuccess', pause: null })
    expect(await unpause(crawls.waymark, key({ stream: 'reddit/saved' }))).toMatchObject({ pause: null })
  })

  it('has the default stream where none or null is given, and no reason where none is', async () => {
    const until = inMs(HOUR_MS)
    const paused = await pause(crawls.waymark, key({ until, stream: null, reason: null, sessionId: null }))
    expect(paused['pause']).toEqual({ until, reason: null, pausedBy: 'local' })
    expect(await read('twitter/bookmarks')).toEqual(paused['pause'])
    expect((await unpause(crawls.waymark, key({ stream: null })))['pause']).toBeNull()
    expect(await read()).toBeNull()
  })

  it('keeps sessions from starting until it ends, also with takeover, which ends nobody', async () => {
    const sessionId = await crawls.startId()
    const until = inMs(HOUR_MS)
    await pause(crawls.waymark, key({ until, reason: 'legal hold' }))
    // The running session goes on.
    expect((await crawls.save({ sessionId })).__typename).toBe('SaveCheckpointSuccess')
    expect((await crawls.run('heartbeat', { sessionId })).__typename).toBe('HeartbeatSuccess')
    // Busy and paused is busy.
    expect(await start(crawls.waymark, key())).toMatchObject({ code: 'STREAM_BUSY', owner: { sessionId } })
    const refused = await start(crawls.waymark, key({ takeover: true }))
    expect(refused).toMatchObject({
      __typename: 'StreamPausedError',
      code: 'STREAM_PAUSED',
      pause: { until, reason: 'legal hold', pausedBy: 'local' },
    })
    expect(refused['message']).toContain('legal hold')
    expect(await crawls.session(sessionId)).toMatchObject({ status: 'RUNNING', endReason: null })
    // It outlives its sessions and a clear.
    await crawls.run('completeSession', { sessionId })
    expect(await start(crawls.waymark, key())).toMatchObject({ code: 'STREAM_PAUSED' })
    await crawls.run('clearCheckpoint', { userId: crawls.userId })
    expect(await start(crawls.waymark, key({ mode: 'FULL' }))).toMatchObject({ code: 'STREAM_PAUSED' })
    expect(await start(crawls.waymark, key({ stream: 'reddit/saved' }))).toMatchObject({
      __typename: 'StartSessionSuccess',
    })
    await pause(crawls.waymark, key({ until, reason: '' }))
    expect((await start(crawls.waymark, key()))['message']).toContain(`paused until ${until}: start then`)
    await unpause(crawls.waymark, key())
    expect(await start(crawls.waymark, key())).toMatchObject({
      __typename: 'StartSessionSuccess',
      plan: { pause: null },
    })
  })

  it('does not keep the repeat of a start from its session', async () => {
    const input = key({ idempotencyKey: 'run-1' })
    const first = await start(crawls.waymark, input)
    await pause(crawls.waymark, key({ until: inMs(HOUR_MS) }))
    expect(await start(crawls.waymark, input)).toMatchObject({ session: first['session'] })
  })

  it('is ignored by an operator who says so, and comes before a catch-up that is impossible', async () => {
    const until = inMs(HOUR_MS)
    await crawls.save()
    await pause(crawls.waymark, key({ until }))
    for (const ignorePause of [false, null, undefined]) {
      expect(await start(crawls.waymark, key({ mode: 'CATCH_UP', ignorePause }))).toMatchObject({
        code: 'STREAM_PAUSED',
      })
    }
    expect(await start(crawls.waymark, key({ mode: 'CATCH_UP', ignorePause: true }))).toMatchObject({
      code: 'CATCH_UP_IMPOSSIBLE',
    })
    expect(await start(crawls.waymark, key({ ignorePause: true }))).toMatchObject({
      __typename: 'StartSessionSuccess',
      plan: { pause: { until } },
    })
    // It stays.
    expect(await read()).toMatchObject({ until })
  })

  it('ends by itself', async () => {
    await pause(crawls.waymark, key({ until: inMs(HOUR_MS) }))
    await crawls.clock.advance(3_601)
    expect(await read()).toBeNull()
    expect((await crawls.plan()).reason).not.toContain('paused')
    expect(await start(crawls.waymark, key())).toMatchObject({ __typename: 'StartSessionSuccess' })
    await crawls.clock.advance(-3_601)
  })

  it('is in the plan: its pause and its reason', async () => {
    const until = inMs(30 * DAY_MS)
    const query = `query ($userId: String!) { resumePlan(userId: $userId) { mode reason pause { until reason pausedBy } } }`
    const plan = async () => (await crawls.waymark.ask(query, { userId: crawls.userId }))['resumePlan']
    expect(await plan()).toMatchObject({ pause: null })
    await pause(crawls.waymark, key({ until, reason: '100 % theirs' }))
    expect(await plan()).toMatchObject({ mode: 'FULL', pause: { until, reason: '100 % theirs', pausedBy: 'local' } })
    const minute = until.slice(0, 16).replace('T', ' ')
    expect((await plan()).reason.endsWith(`. The list is paused until ${minute} UTC (100 % theirs)`)).toBe(true)
    await pause(crawls.waymark, key({ until }))
    expect((await plan()).reason.endsWith(`. The list is paused until ${minute} UTC`)).toBe(true)
  })

  it('is read with each checkpoint, whatever else is selected', async () => {
    await crawls.save()
    await crawls.save({ stream: 'reddit/saved', itemId: 't3_a' })
    const until = inMs(HOUR_MS)
    await pause(crawls.waymark, key({ until, stream: 'reddit/saved' }))
    const of = `filter: { userId: "${crawls.userId}" }, orderBy: LAST_CRAWLED_AT_ASC`
    for (const fields of ['stream', 'stream lastItemId version complete']) {
      const { checkpoints, user, checkpoint } = await crawls.waymark.ask(`{
        checkpoints(${of}) { nodes { ${fields} pause { until } } }
        user(userId: "${crawls.userId}") { checkpoints { ${fields} pause { until } } }
        checkpoint(userId: "${crawls.userId}", stream: "reddit/saved") { ${fields} pause { until reason pausedBy } } }`)
      const expected = [
        { stream: 'twitter/bookmarks', pause: null },
        { stream: 'reddit/saved', pause: { until } },
      ]
      expect(checkpoints.nodes).toMatchObject(expected)
      expect(user.checkpoints).toMatchObject(expected.toReversed())
      expect(checkpoint).toMatchObject({ pause: { until, reason: null, pausedBy: 'local' } })
    }
    await crawls.clock.advance(3_601)
    const { checkpoints } = await crawls.waymark.ask(`{ checkpoints(${of}) { nodes { pause { until } } } }`)
    expect(checkpoints.nodes).toEqual([{ pause: null }, { pause: null }])
    await crawls.clock.advance(-3_601)
  })

  it('is replaced by an operator, and only lengthened by a session', async () => {
    const sessionId = await crawls.startId()
    const [short, middle, long] = [inMs(HOUR_MS), inMs(2 * HOUR_MS), inMs(3 * HOUR_MS)]
    const shown = async (input: Record<string, unknown>) => (await pause(crawls.waymark, key(input)))['pause']
    const byOperator = { until: middle, reason: 'by hand', pausedBy: 'local' }
    expect(await shown({ until: middle, reason: 'by hand' })).toEqual(byOperator)
    // Shorter, and just as long: it stays whole.
    expect(await shown({ until: short, reason: '429', sessionId })).toEqual(byOperator)
    expect(await shown({ until: middle, reason: '429', sessionId })).toEqual(byOperator)
    expect(await read()).toEqual(byOperator)
    expect(await shown({ until: long, reason: '429', sessionId })).toEqual({
      ...byOperator,
      until: long,
      reason: '429',
    })
    expect(await shown({ until: short })).toEqual({ until: short, reason: null, pausedBy: 'local' })
    // One that has run out binds nobody.
    await crawls.clock.advance(3_700)
    expect(await shown({ until: middle, sessionId })).toMatchObject({ until: middle })
    await crawls.clock.advance(-3_700)
  })

  it('is refused to a session that has ended, was superseded, or is of another list', async () => {
    const until = inMs(HOUR_MS)
    const old = await crawls.startId()
    const sessionId = await crawls.startId({ takeover: true })
    expect(await pause(crawls.waymark, key({ until, sessionId: old }))).toMatchObject({
      __typename: 'StaleEpochError',
      code: 'STALE_EPOCH',
      currentEpoch: 2,
    })
    const other = { code: 'SESSION_NOT_FOUND' }
    expect(await pause(crawls.waymark, key({ until, sessionId, stream: 'reddit/saved' }))).toMatchObject(other)
    expect(await pause(crawls.waymark, { until, sessionId, userId: 'user-1' })).toMatchObject(other)
    expect(await pause(crawls.waymark, { until, sessionId, userId: 'nobody' })).toMatchObject(other)
    expect(await pause(crawls.waymark, key({ until, sessionId: 'none' }))).toMatchObject(other)
    await crawls.run('stopSession', { sessionId })
    expect(await pause(crawls.waymark, key({ until, sessionId }))).toMatchObject({
      __typename: 'SessionClosedError',
      code: 'SESSION_CLOSED',
      session: { sessionId },
    })
    expect(await read()).toBeNull()
  })

  it('is refused for a wrong time, a wrong reason, malformed keys and unknown users', async () => {
    const issuesOf = async (input: Record<string, unknown>) =>
      (await pause(crawls.waymark, key(input))).issues?.map(({ path }) => path.join('.'))
    expect(await issuesOf({ until: inMs(-1_000) })).toEqual(['input.until'])
    expect(await issuesOf({ until: '0001-01-01T00:00:00Z' })).toEqual(['input.until'])
    expect(await issuesOf({ until: '9999-12-31T23:59:59.999Z' })).toEqual(['input.until'])
    expect(await issuesOf({ until: inMs(400 * DAY_MS + 60_000) })).toEqual(['input.until'])
    expect(await issuesOf({ until: inMs(400 * DAY_MS - 60_000) })).toBeUndefined()
    expect(await issuesOf({ until: inMs(HOUR_MS), reason: '\u{1f512}'.repeat(501) })).toEqual(['input.reason'])
    expect(await issuesOf({ until: inMs(HOUR_MS), reason: '\u{1f512}'.repeat(500) })).toBeUndefined()
    expect(await issuesOf({ until: inMs(HOUR_MS), reason: 'a\0' })).toEqual(['input.reason'])
    expect(await issuesOf({ until: inMs(-1), userId: '', stream: 'nope', sessionId: '' })).toEqual([
      ...['input.userId', 'input.stream', 'input.sessionId', 'input.until'],
    ])
    expect(await pause(crawls.waymark, { userId: 'nobody', until: inMs(HOUR_MS) })).toMatchObject({
      code: 'USER_NOT_FOUND',
    })
    expect(await unpause(crawls.waymark, { userId: 'nobody' })).toMatchObject({ code: 'USER_NOT_FOUND' })
    expect((await unpause(crawls.waymark, { userId: '', stream: 'nope' })).issues).toHaveLength(2)
    const malformed = await crawls.waymark.fail('{ crawlPause(userId: "", stream: "twitter/bookmarks") { until } }')
    expect(malformed.code).toBe('BAD_USER_INPUT')
    expect((await crawls.waymark.fail('{ crawlPause(userId: "a", stream: "nope") { until } }')).code).toBe(
      'BAD_USER_INPUT',
    )
    expect(await crawls.waymark.ask('{ crawlPause(userId: "nobody") { until } }')).toEqual({ crawlPause: null })
  })

  it('goes with its user', async () => {
    await pause(crawls.waymark, key({ until: inMs(HOUR_MS) }))
    await crawls.waymark.database.query('DELETE FROM public."user" WHERE id = $1', [crawls.userId])
    await crawls.run('registerUser', { userId: crawls.userId })
    expect(await read()).toBeNull()
  })
})

describe('who may pause', () => {
  let waymark: TestWaymark
  const ours = 'ours'
  const theirs = 'theirs'
  const until = inMs(HOUR_MS)
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' })
    await controlClock(waymark.database)
    await waymark.database.query('INSERT INTO public."user" VALUES ($1), ($2)', [ours, theirs])
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('is an operator, for the users within reach', async () => {
    const bound = await keyedCaller(waymark, ['operate', 'read'], [ours])
    expect(await pause(bound, { userId: ours, until })).toMatchObject({ pause: { until, pausedBy: bound.subject } })
    expect(await pause(bound, { userId: theirs, until })).toMatchObject({ code: 'USER_NOT_FOUND' })
    const operator = await keyedCaller(waymark, ['operate', 'read'])
    await pause(operator, { userId: theirs, until })
    expect(await unpause(bound, { userId: theirs })).toMatchObject({ code: 'USER_NOT_FOUND' })
    expect(await bound.ask(`{ crawlPause(userId: "${theirs}") { until } }`)).toEqual({ crawlPause: null })
    expect(await operator.ask(`{ crawlPause(userId: "${theirs}") { until } }`)).toEqual({ crawlPause: { until } })
    await unpause(operator, { userId: theirs })
    expect(await unpause(bound, { userId: ours })).toMatchObject({ pause: null })
  })

  it('is a crawler with its own session, which may neither unpause nor ignore a pause', async () => {
    const crawler = await keyedCaller(waymark, ['crawl'])
    const other = await keyedCaller(waymark, ['crawl'], [theirs])
    const { session } = await start(crawler, { userId: ours })
    const input = { userId: ours, until, sessionId: session.sessionId }
    expect(await pause(crawler, input)).toMatchObject({ pause: { until, pausedBy: crawler.subject } })
    expect(await pause(other, input)).toMatchObject({ code: 'SESSION_NOT_FOUND' })
    expect((await crawler.fail(PAUSE, { input: { userId: ours, until } })).code).toBe('FORBIDDEN')
    expect((await crawler.fail(PAUSE, { input: { userId: ours, until, sessionId: null } })).code).toBe('FORBIDDEN')
    expect((await crawler.fail(UNPAUSE, { input: { userId: ours } })).code).toBe('FORBIDDEN')
    expect((await crawler.fail(START, { input: { userId: ours, ignorePause: true } })).code).toBe('FORBIDDEN')
    // Also where there is no pause to ignore.
    expect((await crawler.fail(START, { input: { userId: theirs, ignorePause: true } })).code).toBe('FORBIDDEN')
    expect((await crawler.fail(`{ crawlPause(userId: "${ours}") { until } }`)).code).toBe('FORBIDDEN')
    const reader = await keyedCaller(waymark, ['read'])
    expect((await reader.fail(PAUSE, { input })).code).toBe('FORBIDDEN')
    expect(await reader.ask(`{ crawlPause(userId: "${ours}") { until } }`)).toEqual({ crawlPause: { until } })
  })
})
