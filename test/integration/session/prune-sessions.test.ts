import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import { withClient } from '../../support/database.ts'
import { mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const PRUNE = `mutation ($input: PruneSessionsInput!) {
  result: pruneSessions(input: $input) { __typename ... on PruneSessionsSuccess { count }
    ... on UserError { code message } ... on InvalidInputError { issues { path message } } } }`

/** Later than anything: what keeps a session then is not this date. */
const EVER = '9999-01-01T00:00:00Z'

describe('pruneSessions', () => {
  let waymark: TestWaymark
  let clock: Awaited<ReturnType<typeof controlClock>>
  beforeAll(async () => {
    waymark = await startWaymark()
    clock = await controlClock(waymark.database)
    for (const userId of ['ann', 'bob']) await mutate(waymark, 'registerUser', { userId })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    await waymark.database.query('DELETE FROM crawler.crawl_session; DELETE FROM crawler.feed_event')
  })

  const prune = async (input: Record<string, unknown> = {}) =>
    (await waymark.ask<{ result: MutationResult }>(PRUNE, { input: { completedBefore: EVER, ...input } })).result
  /** Prunes, after a dry run that must tell the same. */
  const pruned = async (input: Record<string, unknown> = {}) => {
    const before = await left()
    const foretold = await prune({ ...input, dryRun: true })
    expect(await left()).toEqual(before)
    const result = await prune(input)
    expect(result).toEqual(foretold)
    expect((await left()).length).toBe(before.length - result['count'])
    return result['count'] as number
  }
  const ended = (
    sessionId: string,
    { userId = 'ann', stream = 'twitter/bookmarks', status = 'completed', daysAgo = 10 } = {},
  ) =>
    waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, stream, status, started_at, completed_at)
        VALUES ($1, $2, $3, $4, crawler.clock() - interval '1000 days', crawler.clock() - $5 * interval '1 day')`,
      [sessionId, userId, stream, status, daysAgo],
    )
  const left = async () =>
    (
      await waymark.database.query<{ session_id: string }>('SELECT session_id FROM crawler.crawl_session ORDER BY 1')
    ).map(({ session_id }) => session_id)

  it('deletes the sessions that completed before a time, and no other', async () => {
    await ended('old', { daysAgo: 30 })
    await ended('middle', { daysAgo: 20 })
    await ended('young', { daysAgo: 10 })
    const [row] = await waymark.database.query<{ at: Date }>(
      `SELECT completed_at AS at FROM crawler.crawl_session WHERE session_id = 'middle'`,
    )
    // Cut to milliseconds, so it is not after it.
    expect(await pruned({ completedBefore: row?.at })).toBe(1)
    expect(await left()).toEqual(['middle', 'young'])
    expect(await pruned()).toBe(2)
    expect(await pruned()).toBe(0)
  })

  it.each([
    ['a user', { userId: 'ann' }, ['b-failed', 'b-reddit', 'b-stopped']],
    ['a stream', { stream: 'reddit/saved' }, ['a-completed', 'a-stopped', 'b-failed', 'b-stopped']],
    [
      'a user and stream',
      { userId: 'bob', stream: 'reddit/saved' },
      ['a-completed', 'a-reddit', 'a-stopped', 'b-failed', 'b-stopped'],
    ],
    ['a status', { status: ['STOPPED'] }, ['a-completed', 'a-reddit', 'b-failed', 'b-reddit']],
    ['several statuses', { status: ['STOPPED', 'FAILED', 'RUNNING'] }, ['a-completed', 'a-reddit', 'b-reddit']],
    [
      'a user who is not there',
      { userId: 'nobody' },
      ['a-completed', 'a-reddit', 'a-stopped', 'b-failed', 'b-reddit', 'b-stopped'],
    ],
    [
      'the status RUNNING',
      { status: ['RUNNING'] },
      ['a-completed', 'a-reddit', 'a-stopped', 'b-failed', 'b-reddit', 'b-stopped'],
    ],
    ['no status', { status: [] }, ['a-completed', 'a-reddit', 'a-stopped', 'b-failed', 'b-reddit', 'b-stopped']],
    ['everything, where the rest is null', { userId: null, stream: null, status: null }, []],
  ])('deletes those of %s', async (_what, filter, kept) => {
    await ended('a-completed')
    await ended('a-stopped', { status: 'stopped' })
    await ended('a-reddit', { stream: 'reddit/saved' })
    await ended('b-failed', { userId: 'bob', status: 'failed' })
    await ended('b-stopped', { userId: 'bob', status: 'stopped' })
    await ended('b-reddit', { userId: 'bob', stream: 'reddit/saved' })
    await pruned(filter)
    expect(await left()).toEqual(kept)
  })

  it('never deletes a running session, also one that another program gave an end', async () => {
    await mutate(waymark, 'startSession', { userId: 'ann', sessionId: 'live', leaseSeconds: 3600 })
    await ended('odd', { status: 'running' })
    await waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('foreign', 'ann', '2020-01-01')`,
    )
    expect(await pruned()).toBe(0)
    expect(await pruned({ status: ['RUNNING'] })).toBe(0)
    expect(await left()).toEqual(['foreign', 'live', 'odd'])
  })

  it('keeps what has no time of its end, and takes statuses that nobody knows as failed', async () => {
    await waymark.database.query('ALTER TABLE crawler.crawl_session DROP CONSTRAINT crawl_session_status_is_known')
    await ended('exploded', { status: 'exploded' })
    await waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, status) VALUES ('endless', 'ann', 'failed')`,
    )
    expect(await pruned({ status: ['COMPLETED', 'STOPPED'] })).toBe(0)
    expect(await pruned({ status: ['FAILED'] })).toBe(1)
    expect(await left()).toEqual(['endless'])
  })

  it("keeps a session for 24 h after its end, by the database's clock", async () => {
    await mutate(waymark, 'startSession', { userId: 'ann', sessionId: 's' })
    await mutate(waymark, 'completeSession', { sessionId: 's' })
    expect(await pruned()).toBe(0)
    await clock.advance(24 * 3600 - 60)
    expect(await pruned()).toBe(0)
    await clock.advance(120)
    expect(await pruned()).toBe(1)
  })

  it('keeps checkpoint and history of what it deletes, and answers null where they name it', async () => {
    await mutate(waymark, 'startSession', { userId: 'bob', sessionId: 's' })
    await mutate(waymark, 'saveCheckpoint', { userId: 'bob', itemId: '20', sessionId: 's' })
    await mutate(waymark, 'completeSession', { sessionId: 's' })
    await clock.advance(25 * 3600)
    expect(await pruned()).toBe(1)
    const answer = await waymark.ask(
      '{ checkpoint(userId: "bob") { lastItemId } checkpointHistory(userId: "bob", last: 1) { nodes { lastItemId session { id } } } session(sessionId: "s") { id } }',
    )
    expect(answer).toEqual({
      checkpoint: { lastItemId: '20' },
      checkpointHistory: { nodes: [{ lastItemId: '20', session: null }] },
      session: null,
    })
    expect(await mutate(waymark, 'saveCheckpoint', { userId: 'bob', itemId: '21', sessionId: 's' })).toMatchObject({
      code: 'SESSION_NOT_FOUND',
    })
  })

  it('tells the watchers of each', async () => {
    await ended('s1', { status: 'failed' })
    await ended('s2', { userId: 'bob' })
    await waymark.database.query('DELETE FROM crawler.feed_event')
    await prune({ dryRun: true })
    await prune()
    expect(
      await waymark.database.query(
        'SELECT kind, session_id, user_id, status FROM crawler.feed_event ORDER BY session_id',
      ),
    ).toEqual([
      { kind: 'SESSION_DELETED', session_id: 's1', user_id: 'ann', status: 'failed' },
      { kind: 'SESSION_DELETED', session_id: 's2', user_id: 'bob', status: 'completed' },
    ])
  })

  it('deletes thousands in transactions of at most 100, also where many ended at the same moment', async () => {
    await waymark.database.query(`
      INSERT INTO crawler.crawl_session (session_id, user_id, status, started_at, completed_at)
        SELECT 's' || n, 'ann', 'completed', '2020-01-01', '2020-01-02 00:00:00.123456+00'::timestamptz + n / 1500 * interval '1 microsecond'
        FROM generate_series(1, 3200) n`)
    expect(await pruned()).toBe(3200)
    const [sizes] = await waymark.database.query<{ largest: number; transactions: number }>(`
      SELECT max(rows)::integer AS largest, count(*)::integer AS transactions
      FROM (SELECT count(*) AS rows FROM crawler.feed_event WHERE kind = 'SESSION_DELETED' GROUP BY xmin::text) AS written`)
    expect(sizes).toEqual({ largest: 100, transactions: 32 })
  })

  it('leaves a session whose row another transaction holds, without waiting for it', async () => {
    for (const sessionId of ['s1', 's2', 's3']) await ended(sessionId)
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query(`SELECT FROM crawler.crawl_session WHERE session_id = 's2' FOR UPDATE`)
      expect(await prune()).toMatchObject({ count: 2 })
      await client.query('COMMIT')
    })
    expect(await left()).toEqual(['s2'])
    expect(await pruned()).toBe(1)
  })

  it("uses no ID twice that a server made, however its row went; IDs of other forms are the clients' own", async () => {
    const startId = async (sessionId?: string) =>
      (await mutate(waymark, 'startSession', { userId: 'ann', sessionId, takeover: true }))['session']
        ?.sessionId as string
    const [made, deleted, own] = [await startId(), await startId(), await startId('own')]
    await waymark.database
      .query(`UPDATE crawler.crawl_session SET status = 'completed', started_at = started_at - interval '9 days',
      completed_at = crawler.clock() - interval '8 days' WHERE session_id IN ('${made}', 'own')`)
    expect(await pruned()).toBe(2)
    await waymark.database.query(`DELETE FROM crawler.crawl_session WHERE session_id = '${deleted}'`)
    for (const sessionId of [made, deleted]) {
      expect(await mutate(waymark, 'startSession', { userId: 'ann', sessionId, takeover: true })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'sessionId'], message: 'is taken: choose another, or leave it out' }],
      })
    }
    expect(await left()).toEqual([])
    expect(await startId('own')).toBe(own)
  })

  it('names every malformed value and deletes nothing', async () => {
    await ended('s1')
    expect(await prune({ userId: '', stream: 'bookmarks' })).toMatchObject({
      __typename: 'InvalidInputError',
      code: 'INVALID_INPUT',
      issues: [{ path: ['input', 'userId'] }, { path: ['input', 'stream'] }],
    })
    expect(await left()).toEqual(['s1'])
  })
})
