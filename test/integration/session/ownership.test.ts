import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'
import { withClient } from '../../support/database.ts'

describe('ownership of a stream', () => {
  const crawls = setUpCrawls()
  const { run, start, startId, save, session: read, reap } = crawls
  const stored = () =>
    crawls.waymark.database.query(
      'SELECT last_tweet_id, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1',
      [crawls.userId],
    )

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
    expect(busy['retryAt']).toBe(busy['owner'].leaseExpiresAt)
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

  it('keeps its epoch over a clear and a deleted user', async () => {
    const sessionId = await startId()
    await save({ sessionId })
    await run('stopSession', { sessionId })
    await run('clearCheckpoint', { userId: crawls.userId })
    await crawls.waymark.database.query('DELETE FROM public."user" WHERE id = $1', [crawls.userId])
    await run('registerUser', { userId: crawls.userId })
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
    expect(await run('clearCheckpoint', { userId: crawls.userId, sessionId: old })).toMatchObject(stale)
    // In the status that it has, ending again succeeds.
    expect((await run('failSession', { sessionId: old, errorMessage: 'x' })).__typename).toBe('EndSessionSuccess')
    expect(await stored()).toEqual([{ last_tweet_id: '20', bookmarks_count: 1 }])
  })

  it('refuses saves and clears without a session while one owns it, and takes them otherwise', async () => {
    const sessionId = await startId()
    const busy = { __typename: 'StreamBusyError', code: 'STREAM_BUSY', owner: { sessionId } }
    expect(await save({})).toMatchObject(busy)
    expect(await run('clearCheckpoint', { userId: crawls.userId })).toMatchObject(busy)
    expect(await stored()).toEqual([])
    await run('stopSession', { sessionId })
    expect(await save({})).toMatchObject({ checkpoint: { version: 1, epoch: 0 }, session: null, stopRequested: false })
    expect(await run('clearCheckpoint', { userId: crawls.userId })).toMatchObject({ cleared: true })
  })

  it('lets the owner clear', async () => {
    const sessionId = await startId()
    await save({ sessionId })
    expect(await run('clearCheckpoint', { userId: crawls.userId, sessionId })).toMatchObject({ cleared: true })
    expect((await run('clearCheckpoint', { userId: crawls.userId, sessionId: 'none' })).code).toBe('SESSION_NOT_FOUND')
    await run('stopSession', { sessionId })
    expect(await run('clearCheckpoint', { userId: crawls.userId, sessionId })).toMatchObject({ code: 'SESSION_CLOSED' })
  })

  describe('a lease', () => {
    it('is renewed by each accepted save and heartbeat, not by a refused one', async () => {
      const sessionId = await startId({ leaseSeconds: 60 })
      const expiry = async () => Date.parse((await read(sessionId)).leaseExpiresAt)
      const first = await expiry()
      await crawls.clock.advance(30)
      await save({ sessionId })
      const second = await expiry()
      expect(second - first).toBeGreaterThanOrEqual(30_000)
      await crawls.clock.advance(30)
      await save({ sessionId, expectedVersion: 99 })
      expect(await expiry()).toBe(second)
      await run('heartbeat', { sessionId })
      expect(await expiry()).toBeGreaterThanOrEqual(second + 30_000)
    })

    it('that ran out ends the session as FAILED, once, and a late write is refused', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await save({ sessionId, bookmarksAdded: 2 })
      await crawls.clock.advance(6)
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
      await crawls.clock.advance(6)
      await reap()
      expect(await read(sessionId)).toMatchObject({ status: 'STOPPED', endReason: 'LEASE_EXPIRED', errorMessage: null })
    })

    it('that ran out but was not reaped is renewed by the next write', async () => {
      const sessionId = await startId()
      await withClient(crawls.waymark.database.url, async (client) => {
        // Held, so that no reaper looks meanwhile.
        await client.query('BEGIN; SELECT FROM crawler.reaper FOR UPDATE')
        await crawls.waymark.database.query(
          `UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '1 second' WHERE session_id = $1`,
          [sessionId],
        )
        const late = await save({ sessionId, stream: 'twitter/bookmarks' })
        expect(late).toMatchObject({ __typename: 'SaveCheckpointSuccess', session: { status: 'RUNNING' } })
        expect(Date.parse(late['session'].leaseExpiresAt)).toBeGreaterThan(Date.parse(late['session'].heartbeatAt))
        await client.query('COMMIT')
      })
    })

    it('that ran out is ended by the next start as the reaper would', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await save({ sessionId })
      await crawls.clock.advance(6)
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

    /** Has a reaper look as if none had for so long, and the session's lease had run out so long ago. */
    const reapAfterGap = (sessionId: string, { gap, leaseOverFor }: { gap: string; leaseOverFor: string }) =>
      crawls.waymark.database.query(`BEGIN; UPDATE crawler.reaper SET ticked_at = crawler.clock() - interval '${gap}';
        UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '${leaseOverFor}' WHERE session_id = '${sessionId}';
        SELECT crawler.reap(); COMMIT`)

    it('is extended for everybody after an outage in which nobody could renew', async () => {
      const sessionId = await startId({ leaseSeconds: 10 })
      await reapAfterGap(sessionId, { gap: '60 seconds', leaseOverFor: '50 seconds' })
      const { status, leaseExpiresAt } = await read(sessionId)
      expect(status).toBe('RUNNING')
      expect(Date.parse(leaseExpiresAt)).toBeGreaterThan(0)
      expect((await save({ sessionId })).__typename).toBe('SaveCheckpointSuccess')
    })

    it('is extended after an outage of 3 s, which the crawler of the shortest lease had half of left', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await reapAfterGap(sessionId, { gap: '3 seconds', leaseOverFor: '500 ms' })
      expect((await read(sessionId)).status).toBe('RUNNING')
    })

    it('ends while reapers look: a gap of 2 s between two looks is no outage', async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await reapAfterGap(sessionId, { gap: '2 seconds', leaseOverFor: '500 ms' })
      expect((await read(sessionId)).status).toBe('FAILED')
    })

    it('is none for sessions of other writers: epoch 0, they own nothing and are never reaped', async () => {
      await crawls.waymark.database.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('adopted-' || $1::text, $1)`,
        [crawls.userId],
      )
      await crawls.clock.advance(100_000)
      await reap()
      expect(await read(`adopted-${crawls.userId}`)).toMatchObject({
        status: 'RUNNING',
        epoch: 0,
        leaseSeconds: null,
        leaseExpiresAt: null,
      })
      expect((await save({ sessionId: `adopted-${crawls.userId}`, bookmarksAdded: 1 })).__typename).toBe(
        'SaveCheckpointSuccess',
      )
      expect((await start()).__typename).toBe('StartSessionSuccess')
      expect((await save({ sessionId: `adopted-${crawls.userId}` })).code).toBe('STALE_EPOCH')
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
      await crawls.clock.advance(9)
      await run('heartbeat', { sessionId })
    }
    const stalled = async () =>
      (
        await crawls.waymark.ask(
          `query ($userId: String!) { sessions(filter: { stalled: true, userId: $userId }) { nodes { sessionId } } }`,
          { userId: crawls.userId },
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
        await crawls.waymark.ask(
          'query ($userId: String!) { checkpoint(userId: $userId) { liveSession { sessionId } } }',
          {
            userId: crawls.userId,
          },
        )
      ).checkpoint.liveSession
    expect(await live()).toEqual({ sessionId })
    await run('stopSession', { sessionId })
    expect(await live()).toBeNull()
  })
})
