import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { controlClock } from '../support/clock.ts'
import { statementsWaitingForLocks, withClient } from '../support/database.ts'
import { type MutationResult, startWaymark, type TestWaymark } from '../support/waymark.ts'

const SESSION = `sessionId status epoch leaseSeconds leaseExpiresAt heartbeatAt stopRequestedAt rateLimitedUntil worker endReason
  attempt resumedFrom { sessionId } stalled commits bookmarksPerSecond apiRequests rateLimitHits errorMessage completedAt`
const REFUSED = '__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }'
const STALE = '... on StaleEpochError { currentEpoch }'
const BUSY = '... on StreamBusyError { owner { sessionId } retryAt }'
const CLOSED = '... on SessionClosedError { closed: session { sessionId status endReason } }'

const operations = {
  startSession: `mutation ($input: StartSessionInput!) { result: startSession(input: $input) { ${REFUSED} ${BUSY}
    ... on StartSessionSuccess { session { ${SESSION} } checkpoint { version } } } }`,
  saveCheckpoint: `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { ${REFUSED} ${STALE} ${BUSY} ${CLOSED}
    ... on SaveCheckpointSuccess { stopRequested checkpoint { version epoch bookmarksCount lastItemId } session { ${SESSION} } } } }`,
  heartbeat: `mutation ($input: HeartbeatInput!) { result: heartbeat(input: $input) { ${REFUSED} ${STALE} ${CLOSED}
    ... on HeartbeatSuccess { stopRequested session { ${SESSION} } } } }`,
  completeSession: `mutation ($input: CompleteSessionInput!) { result: completeSession(input: $input) { ${REFUSED} ${STALE} ${CLOSED} ... on EndSessionSuccess { session { ${SESSION} } } } }`,
  stopSession: `mutation ($input: StopSessionInput!) { result: stopSession(input: $input) { ${REFUSED} ${STALE} ${CLOSED} ... on EndSessionSuccess { session { ${SESSION} } } } }`,
  failSession: `mutation ($input: FailSessionInput!) { result: failSession(input: $input) { ${REFUSED} ${STALE} ${CLOSED} ... on EndSessionSuccess { session { ${SESSION} } } } }`,
  requestStop: `mutation ($input: RequestStopInput!) { result: requestStop(input: $input) { ${REFUSED} ${CLOSED} ... on RequestStopSuccess { session { ${SESSION} } } } }`,
  clearCheckpoint: `mutation ($input: ClearCheckpointInput!) { result: clearCheckpoint(input: $input) { ${REFUSED} ${STALE} ${BUSY} ${CLOSED} ... on ClearCheckpointSuccess { cleared } } }`,
  registerUser: `mutation ($input: RegisterUserInput!) { result: registerUser(input: $input) { ${REFUSED} } }`,
}

describe('ownership of a stream', () => {
  let waymark: TestWaymark
  let clock: Awaited<ReturnType<typeof controlClock>>
  let userId: string
  let users = 0
  beforeAll(async () => {
    waymark = await startWaymark()
    clock = await controlClock(waymark.database)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    userId = `user-${(users += 1)}`
    await run('registerUser', { userId })
  })

  async function run(operation: keyof typeof operations, input: Record<string, unknown>): Promise<MutationResult> {
    const { result } = await waymark.ask<{ result: MutationResult }>(operations[operation], { input })
    return result
  }
  const start = (input: Record<string, unknown> = {}) => run('startSession', { userId, ...input })
  const startId = async (input: Record<string, unknown> = {}) => (await start(input))['session'].sessionId as string
  const save = (input: Record<string, unknown>) => run('saveCheckpoint', { userId, itemId: '20', ...input })
  const read = async (sessionId: string) =>
    (await waymark.ask(`query ($sessionId: String!) { session(sessionId: $sessionId) { ${SESSION} } }`, { sessionId }))
      .session
  const reap = () => waymark.database.query('SELECT crawler.reap()')
  const stored = () =>
    waymark.database.query('SELECT last_tweet_id, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1', [
      userId,
    ])

  it('goes to one live session; another start is told who owns it and until when', async () => {
    const first = await start({ worker: 'pod-1', leaseSeconds: 30 })
    expect(first['session']).toMatchObject({
      epoch: 1,
      leaseSeconds: 30,
      worker: 'pod-1',
      attempt: 1,
      endReason: null,
      commits: 0,
      stalled: false,
    })
    expect(Date.parse(first['session'].leaseExpiresAt) - Date.parse(first['session'].heartbeatAt)).toBe(30_000)
    const busy = await start()
    expect(busy).toMatchObject({
      __typename: 'StreamBusyError',
      code: 'STREAM_BUSY',
      owner: { sessionId: first['session'].sessionId },
    })
    expect(busy['retryAt']).toBe(first['session'].leaseExpiresAt)
    // Another stream of the same user is another matter.
    expect((await start({ stream: 'reddit/saved' })).__typename).toBe('StartSessionSuccess')
  })

  it('goes to exactly one of twenty that start at once', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => start()))
    expect(results.filter(({ __typename }) => __typename === 'StartSessionSuccess')).toHaveLength(1)
    expect(results.filter(({ __typename }) => __typename === 'StreamBusyError')).toHaveLength(19)
  })

  it('is free again when its session ends, at a higher epoch', async () => {
    await run('completeSession', { sessionId: await startId() })
    expect((await start())['session'].epoch).toBe(2)
  })

  it('keeps its epoch over a clear, a deleted user, and pruned sessions', async () => {
    const sessionId = await startId()
    await save({ sessionId })
    await run('stopSession', { sessionId })
    await run('clearCheckpoint', { userId })
    await waymark.database.query('DELETE FROM public."user" WHERE id = $1', [userId])
    await run('registerUser', { userId })
    expect((await start())['session'].epoch).toBe(2)
  })

  it('is fenced: after a takeover the old session writes nothing, and is told the epoch', async () => {
    const old = await startId()
    await save({ sessionId: old, bookmarksAdded: 1 })
    const taken = await start({ takeover: true })
    expect(taken['session']).toMatchObject({ epoch: 2, attempt: 2, resumedFrom: { sessionId: old } })
    expect(await read(old)).toMatchObject({ status: 'FAILED', endReason: 'TAKEN_OVER', leaseExpiresAt: null })
    const stale = { __typename: 'StaleEpochError', code: 'STALE_EPOCH', currentEpoch: 2 }
    expect(await save({ sessionId: old, itemId: '21', bookmarksAdded: 1 })).toMatchObject(stale)
    expect(await run('heartbeat', { sessionId: old })).toMatchObject(stale)
    expect(await run('completeSession', { sessionId: old })).toMatchObject(stale)
    expect(await run('clearCheckpoint', { userId, sessionId: old })).toMatchObject(stale)
    // In the status that it has, ending again succeeds.
    expect((await run('failSession', { sessionId: old, errorMessage: 'x' })).__typename).toBe('EndSessionSuccess')
    expect(await stored()).toEqual([{ last_tweet_id: '20', bookmarks_count: 1 }])
  })

  it('fences a write that was already waiting for the row when the stream was taken', async () => {
    const old = await startId()
    await save({ sessionId: old, bookmarksAdded: 1 })
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query('SELECT FROM crawler.crawl_state WHERE user_id = $1 FOR UPDATE', [userId])
      const takeover = start({ takeover: true })
      await statementsWaitingForLocks(client, 1)
      const zombie = save({ sessionId: old, stream: 'twitter/bookmarks', itemId: '21', bookmarksAdded: 1 })
      await statementsWaitingForLocks(client, 2)
      await client.query('COMMIT')
      expect((await takeover).__typename).toBe('StartSessionSuccess')
      expect(await zombie).toMatchObject({ code: 'STALE_EPOCH', currentEpoch: 2 })
    })
    expect(await stored()).toEqual([{ last_tweet_id: '20', bookmarks_count: 1 }])
  })

  it('refuses saves and clears without a session while one owns it, and takes them otherwise', async () => {
    const sessionId = await startId()
    const busy = { __typename: 'StreamBusyError', code: 'STREAM_BUSY', owner: { sessionId } }
    expect(await save({})).toMatchObject(busy)
    expect(await run('clearCheckpoint', { userId })).toMatchObject(busy)
    expect(await stored()).toEqual([])
    await run('stopSession', { sessionId })
    expect(await save({})).toMatchObject({ checkpoint: { version: 1, epoch: 0 }, session: null, stopRequested: false })
    expect(await run('clearCheckpoint', { userId })).toMatchObject({ cleared: true })
  })

  it('lets the owner clear', async () => {
    const sessionId = await startId()
    await save({ sessionId })
    expect(await run('clearCheckpoint', { userId, sessionId })).toMatchObject({ cleared: true })
    expect((await run('clearCheckpoint', { userId, sessionId: 'none' })).code).toBe('SESSION_NOT_FOUND')
    await run('stopSession', { sessionId })
    expect(await run('clearCheckpoint', { userId, sessionId })).toMatchObject({ code: 'SESSION_CLOSED' })
  })

  describe('a lease', () => {
    it('is renewed by each accepted save and heartbeat, not by a refused one', async () => {
      const sessionId = await startId({ leaseSeconds: 60 })
      const expiry = async () => Date.parse((await read(sessionId)).leaseExpiresAt)
      const first = await expiry()
      await clock.advance(30)
      await save({ sessionId })
      const second = await expiry()
      expect(second - first).toBeGreaterThanOrEqual(30_000)
      await clock.advance(30)
      await save({ sessionId, expectedVersion: 99 })
      expect(await expiry()).toBe(second)
      await run('heartbeat', { sessionId })
      expect(await expiry()).toBeGreaterThanOrEqual(second + 30_000)
    })

    it('that ran out ends the session as FAILED, once, and a late write is refused', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await save({ sessionId, bookmarksAdded: 2 })
      await clock.advance(6)
      await reap()
      const ended = await read(sessionId)
      expect(ended).toMatchObject({
        status: 'FAILED',
        endReason: 'LEASE_EXPIRED',
        errorMessage: 'lease expired',
        leaseExpiresAt: null,
      })
      await reap()
      expect(await read(sessionId)).toEqual(ended)
      expect(await save({ sessionId, itemId: '21' })).toMatchObject({
        code: 'SESSION_CLOSED',
        closed: { endReason: 'LEASE_EXPIRED' },
      })
      expect((await run('heartbeat', { sessionId })).code).toBe('SESSION_CLOSED')
      expect(await stored()).toEqual([{ last_tweet_id: '20', bookmarks_count: 2 }])
    })

    it('that ran out ends as STOPPED where a stop was requested', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await run('requestStop', { sessionId })
      await clock.advance(6)
      await reap()
      expect(await read(sessionId)).toMatchObject({ status: 'STOPPED', endReason: 'LEASE_EXPIRED', errorMessage: null })
    })

    it('that ran out but was not reaped is renewed by the next write', async () => {
      const sessionId = await startId({ leaseSeconds: 3600 })
      await waymark.database.query(
        `UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() + interval '300 ms' WHERE session_id = $1`,
        [sessionId],
      )
      // Held, so that the reaper, which skips locked rows, leaves it.
      await withClient(waymark.database.url, async (client) => {
        await client.query('BEGIN')
        await client.query('SELECT FROM crawler.crawl_session WHERE session_id = $1 FOR UPDATE', [sessionId])
        await client.query('SELECT pg_sleep(0.4)')
        const late = save({ sessionId, stream: 'twitter/bookmarks' })
        await statementsWaitingForLocks(client, 1)
        await client.query('COMMIT')
        expect(await late).toMatchObject({ __typename: 'SaveCheckpointSuccess', session: { status: 'RUNNING' } })
      })
    })

    it('that ran out is ended by the next start as the reaper would', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await save({ sessionId })
      await clock.advance(6)
      const next = await start()
      expect(next['session']).toMatchObject({ attempt: 2, epoch: 2, resumedFrom: { sessionId } })
      expect(await read(sessionId)).toMatchObject({ status: 'FAILED', endReason: 'LEASE_EXPIRED' })
    })

    it('lasts at least as long as the rate limit that was told, and forgets it with the next write', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      const until = new Date(Date.now() + 23 * 3_600_000).toISOString()
      const told = await run('heartbeat', {
        sessionId,
        rateLimitedUntil: until,
        metrics: { apiRequests: 3, rateLimitHits: 1 },
      })
      expect(told['session']).toMatchObject({
        rateLimitedUntil: until,
        leaseExpiresAt: until,
        apiRequests: 3,
        rateLimitHits: 1,
      })
      const saved = await save({ sessionId, metrics: { apiRequests: 2 } })
      expect(saved['session']).toMatchObject({ rateLimitedUntil: null, apiRequests: 5, rateLimitHits: 1, commits: 1 })
      expect(Date.parse(saved['session'].leaseExpiresAt)).toBeLessThan(Date.parse(until))
      const tooLong = new Date(Date.now() + 48 * 3_600_000).toISOString()
      expect(await run('heartbeat', { sessionId, rateLimitedUntil: tooLong })).toMatchObject({
        issues: [{ path: ['input', 'rateLimitedUntil'] }],
      })
      expect(await save({ sessionId, rateLimitedUntil: tooLong })).toMatchObject({
        issues: [{ path: ['input', 'rateLimitedUntil'] }],
      })
    })

    it('is extended for everybody after an outage in which nobody could renew', async () => {
      const sessionId = await startId({ leaseSeconds: 10 })
      // As if no reaper had looked for a minute, in which the lease ran out.
      await waymark.database
        .query(`BEGIN; UPDATE crawler.reaper SET ticked_at = crawler.clock() - interval '60 seconds';
        UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '50 seconds' WHERE session_id = '${sessionId}';
        SELECT crawler.reap(); COMMIT`)
      const { status, leaseExpiresAt } = await read(sessionId)
      expect(status).toBe('RUNNING')
      expect(Date.parse(leaseExpiresAt)).toBeGreaterThan(0)
      expect((await save({ sessionId })).__typename).toBe('SaveCheckpointSuccess')
    })

    it('is extended after an outage of 3 s, which the crawler of the shortest lease had half of left', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await waymark.database.query(`BEGIN; UPDATE crawler.reaper SET ticked_at = crawler.clock() - interval '3 seconds';
        UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '500 ms' WHERE session_id = '${sessionId}';
        SELECT crawler.reap(); COMMIT`)
      expect((await read(sessionId)).status).toBe('RUNNING')
    })

    it('ends while reapers look: a gap of 2 s between two looks is no outage', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await waymark.database.query(`BEGIN; UPDATE crawler.reaper SET ticked_at = crawler.clock() - interval '2 seconds';
        UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '500 ms' WHERE session_id = '${sessionId}';
        SELECT crawler.reap(); COMMIT`)
      expect((await read(sessionId)).status).toBe('FAILED')
    })

    it('is none for sessions of other writers: epoch 0, they own nothing and are never reaped', async () => {
      await waymark.database.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('adopted-' || $1::text, $1)`,
        [userId],
      )
      await clock.advance(100_000)
      await reap()
      expect(await read(`adopted-${userId}`)).toMatchObject({
        status: 'RUNNING',
        epoch: 0,
        leaseSeconds: null,
        leaseExpiresAt: null,
      })
      expect((await save({ sessionId: `adopted-${userId}`, bookmarksAdded: 1 })).__typename).toBe(
        'SaveCheckpointSuccess',
      )
      expect((await start()).__typename).toBe('StartSessionSuccess')
      expect((await save({ sessionId: `adopted-${userId}` })).code).toBe('STALE_EPOCH')
    })

    it.each([4, 3601, 0, -1])('is not taken for %d seconds', async (leaseSeconds) => {
      expect(await start({ leaseSeconds })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'leaseSeconds'] }],
      })
    })
  })

  it('is asked back by requestStop, which each save and heartbeat then says', async () => {
    const sessionId = await startId()
    const asked = await run('requestStop', { sessionId })
    expect(asked['session'].stopRequestedAt).not.toBeNull()
    expect(await run('requestStop', { sessionId })).toEqual(asked)
    expect(await save({ sessionId })).toMatchObject({ stopRequested: true })
    expect(await run('heartbeat', { sessionId })).toMatchObject({ stopRequested: true })
    await run('stopSession', { sessionId })
    expect((await run('requestStop', { sessionId })).code).toBe('SESSION_CLOSED')
    expect((await run('requestStop', { sessionId: 'none' })).code).toBe('SESSION_NOT_FOUND')
    expect((await run('requestStop', { sessionId: '' })).code).toBe('INVALID_INPUT')
  })

  it('is given once for an idempotencyKey while its session runs, and anew after', async () => {
    const first = await start({ idempotencyKey: 'k1' })
    expect((await start({ idempotencyKey: 'k1' }))['session']).toEqual(first['session'])
    expect((await start({ idempotencyKey: 'k2' })).code).toBe('STREAM_BUSY')
    await run('stopSession', { sessionId: first['session'].sessionId })
    const second = await start({ idempotencyKey: 'k1' })
    expect(second['session'].sessionId).not.toBe(first['session'].sessionId)
  })

  it('tells who stalls: alive for five leases at one place, and not rate limited', async () => {
    const sessionId = await startId({ leaseSeconds: 10 })
    for (let beat = 0; beat < 6; beat += 1) {
      await clock.advance(9)
      await run('heartbeat', { sessionId })
    }
    const stalled = async () =>
      (
        await waymark.ask(
          `query ($userId: String!) { sessions(filter: { stalled: true, userId: $userId }) { nodes { sessionId } } }`,
          { userId },
        )
      ).sessions.nodes
    expect(await stalled()).toEqual([{ sessionId }])
    await save({ sessionId })
    expect(await stalled()).toEqual([])
  })

  it('shows the live session on the checkpoint', async () => {
    const sessionId = await startId()
    await save({ sessionId })
    const live = async () =>
      (
        await waymark.ask('query ($userId: String!) { checkpoint(userId: $userId) { liveSession { sessionId } } }', {
          userId,
        })
      ).checkpoint.liveSession
    expect(await live()).toEqual({ sessionId })
    await run('stopSession', { sessionId })
    expect(await live()).toBeNull()
  })
})

describe('the reaper', () => {
  it('ends a session within its lease and 2 s, in whichever replica', async () => {
    await using waymark = await startWaymark()
    await waymark.ask('mutation { registerUser(input: { userId: "a" }) { __typename } }')
    const { startSession } = await waymark.ask(
      'mutation { startSession(input: { userId: "a", leaseSeconds: 5 }) { ... on StartSessionSuccess { session { sessionId } } } }',
    )
    const { sessionId } = startSession.session
    await expect
      .poll(async () => (await waymark.ask(`{ session(sessionId: "${sessionId}") { status } }`)).session.status, {
        timeout: 20_000,
      })
      .toBe('FAILED')
    const [row] = await waymark.database.query<{ late: string }>(
      `SELECT extract(epoch FROM completed_at - started_at) - 5 AS late FROM crawler.crawl_session`,
    )
    expect(Number(row?.late)).toBeGreaterThanOrEqual(0)
    expect(Number(row?.late)).toBeLessThan(2)
  })
})
