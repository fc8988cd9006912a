import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const ACTIVITY = `query ($from: DateTime!, $to: DateTime!, $bucket: TimeBucket!, $userId: String, $stream: String) {
  activity(from: $from, to: $to, bucket: $bucket, userId: $userId, stream: $stream) {
    start bookmarksAdded saves sessionsStarted sessionsCompleted sessionsStopped sessionsFailed } }`
const NOTHING = {
  bookmarksAdded: 0,
  saves: 0,
  sessionsStarted: 0,
  sessionsCompleted: 0,
  sessionsStopped: 0,
  sessionsFailed: 0,
}

describe('activity', () => {
  let waymark: TestWaymark
  /** A midnight (UTC) that is some days ago. */
  const day = Math.floor(Date.now() / DAY_MS) * DAY_MS - 3 * DAY_MS
  const at = (ms: number) => new Date(day + ms).toISOString()
  beforeAll(async () => {
    waymark = await startWaymark({ HISTORY_RETENTION_DAYS: '10' })
    for (const userId of ['ann', 'bob']) await mutate(waymark, 'registerUser', { userId })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(() => waymark.database.query('DELETE FROM crawler.checkpoint_revision; DELETE FROM crawler.crawl_session'))

  let versions = 0
  const revision = (
    recordedAt: string,
    { source = 'SAVE', itemId = '20', added = 1, userId = 'ann', stream = 'twitter/bookmarks' } = {},
  ) =>
    waymark.database.query(
      `INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
        VALUES ($1, $2, $3, $4, $5, 0, $6, FALSE, 0, $7)`,
      [userId, stream, (versions += 1), source, itemId, added, recordedAt],
    )
  let sessions = 0
  const session = (
    startedAt: string,
    { status = 'running', completedAt = null as string | null, userId = 'ann', stream = 'twitter/bookmarks' } = {},
  ) =>
    waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, completed_at, status) VALUES ($1, $2, $3, $4, $5, $6)`,
      [`s${(sessions += 1)}`, userId, stream, startedAt, completedAt, status],
    )
  const ask = async (from: number, to: number, bucket: string, more: Record<string, unknown> = {}) => {
    const { activity } = await waymark.ask(ACTIVITY, { from: at(from), to: at(to), bucket, ...more })
    return activity as Record<string, any>[]
  }
  const refuse = async (from: string, to: string, bucket: string, more: Record<string, unknown> = {}) =>
    (await waymark.fail(ACTIVITY, { from, to, bucket, ...more })).code

  it('answers whole UTC buckets that hold any moment of the range, empty ones too', async () => {
    expect(await ask(HOUR_MS + 1, 3 * HOUR_MS + 1, 'HOUR')).toEqual([
      { start: at(HOUR_MS), ...NOTHING },
      { start: at(2 * HOUR_MS), ...NOTHING },
      { start: at(3 * HOUR_MS), ...NOTHING },
    ])
    expect((await ask(61_000, 119_000, 'MINUTE')).map(({ start }) => start)).toEqual([at(60_000)])
    expect((await ask(HOUR_MS, 25 * HOUR_MS, 'DAY')).map(({ start }) => start)).toEqual([at(0), at(DAY_MS)])
  })

  it('takes `to` as the end that is not in it, also where the range has another offset than UTC', async () => {
    expect(await ask(0, 2 * HOUR_MS, 'HOUR')).toHaveLength(2)
    const { activity } = await waymark.ask(ACTIVITY, {
      from: at(-5 * HOUR_MS).replace('Z', '-05:30'),
      to: at(-4 * HOUR_MS).replace('Z', '-05:30'),
      bucket: 'HOUR',
    })
    expect(activity.map(({ start }: { start: string }) => start)).toEqual([at(0), at(HOUR_MS)])
  })

  it('puts what happened into the bucket of its moment: a start is in it, the next start is not', async () => {
    await session(at(0))
    await session(at(HOUR_MS - 1))
    await session(at(HOUR_MS))
    await session(at(2 * HOUR_MS))
    const counts = await ask(0, 2 * HOUR_MS, 'HOUR')
    expect(counts.map(({ sessionsStarted }) => sessionsStarted)).toEqual([2, 1])
  })

  it('adds up growth from every source, and counts what set an item by a save, an import or another program', async () => {
    for (const source of ['SAVE', 'SAVE', 'IMPORT', 'EXTERNAL']) await revision(at(1), { source, added: 10 })
    await revision(at(2), { source: 'EXTERNAL', itemId: null as never, added: 0 })
    await revision(at(3), { source: 'CLEAR', itemId: null as never, added: 0 })
    await revision(at(4), { source: 'COMPLETE', added: 0 })
    await revision(at(5), { source: 'ROLLBACK', added: 7 })
    expect(await ask(0, HOUR_MS, 'HOUR')).toEqual([{ start: at(0), ...NOTHING, bookmarksAdded: 47, saves: 4 }])
  })

  it('adds up beyond 2^31', async () => {
    await revision(at(1), { added: 2_147_483_647 })
    await revision(at(2), { added: 2_147_483_647 })
    expect(await ask(0, HOUR_MS, 'HOUR')).toMatchObject([{ bookmarksAdded: 4_294_967_294 }])
  })

  it('counts sessions by when they started and by when and how they ended, unknown statuses as failed', async () => {
    // What an adopted table may hold.
    await waymark.database.query('ALTER TABLE crawler.crawl_session DROP CONSTRAINT crawl_session_status_is_known')
    for (const status of ['completed', 'completed', 'stopped', 'failed', 'exploded']) {
      await session(at(1), { status, completedAt: at(HOUR_MS) })
    }
    await session(at(1))
    await session(at(1), { status: 'failed' })
    expect(await ask(0, 2 * HOUR_MS, 'HOUR')).toEqual([
      { start: at(0), ...NOTHING, sessionsStarted: 7 },
      { start: at(HOUR_MS), ...NOTHING, sessionsCompleted: 2, sessionsStopped: 1, sessionsFailed: 2 },
    ])
  })

  it('counts those of a user, of a stream, and of both', async () => {
    for (const userId of ['ann', 'bob']) {
      for (const stream of ['twitter/bookmarks', 'reddit/saved']) {
        await revision(at(1), { userId, stream })
        await session(at(1), { userId, stream, status: 'stopped', completedAt: at(2) })
      }
    }
    const counts = async (more: Record<string, unknown>) =>
      (await ask(0, HOUR_MS, 'HOUR', more)).map((bucket) => [
        bucket['saves'],
        bucket['bookmarksAdded'],
        bucket['sessionsStarted'],
        bucket['sessionsStopped'],
      ])
    expect(await counts({})).toEqual([[4, 4, 4, 4]])
    expect(await counts({ userId: 'ann' })).toEqual([[2, 2, 2, 2]])
    expect(await counts({ stream: 'reddit/saved' })).toEqual([[2, 2, 2, 2]])
    expect(await counts({ userId: 'bob', stream: 'reddit/saved' })).toEqual([[1, 1, 1, 1]])
    expect(await counts({ userId: 'nobody' })).toEqual([[0, 0, 0, 0]])
  })

  it('shows what the API did just now', async () => {
    const { session: started } = await mutate(waymark, 'startSession', { userId: 'bob' })
    const { sessionId } = started
    await mutate(waymark, 'saveCheckpoint', { userId: 'bob', itemId: '30', bookmarksCount: 5, sessionId })
    await mutate(waymark, 'saveCheckpoint', { userId: 'bob', itemId: '31', bookmarksCount: 12, sessionId })
    await mutate(waymark, 'saveCheckpoint', { userId: 'bob', itemId: '32', bookmarksCount: 2, sessionId })
    await mutate(waymark, 'completeSession', { sessionId })
    const now = Date.now()
    const { activity } = await waymark.ask(ACTIVITY, {
      from: new Date(now - HOUR_MS),
      to: new Date(now + HOUR_MS),
      bucket: 'DAY',
    })
    const sum = (field: string) => activity.reduce((total: number, bucket: any) => total + Number(bucket[field]), 0)
    expect(['bookmarksAdded', 'saves', 'sessionsStarted', 'sessionsCompleted'].map(sum)).toEqual([12, 3, 1, 1])
  })

  it('answers 500 buckets and refuses 501', async () => {
    expect(await ask(1, 500 * MINUTE_MS, 'MINUTE')).toHaveLength(500)
    expect(await refuse(at(0), at(500 * MINUTE_MS + 1), 'MINUTE')).toBe('BAD_USER_INPUT')
    expect(await refuse(at(0), '9999-12-31T23:59:59Z', 'DAY')).toBe('BAD_USER_INPUT')
  })

  it('answers for a time that is still to come', async () => {
    const { activity } = await waymark.ask(ACTIVITY, {
      from: '9999-12-31T23:59:00Z',
      to: '9999-12-31T23:59:59.999Z',
      bucket: 'DAY',
    })
    expect(activity).toEqual([{ start: '9999-12-31T00:00:00.000Z', ...NOTHING }])
  })

  it('refuses a `from` from before the retention of history', async () => {
    const ago = (ms: number) => new Date(Date.now() - ms).toISOString()
    expect(await refuse(ago(10 * DAY_MS + MINUTE_MS), ago(0), 'DAY')).toBe('BAD_USER_INPUT')
    const { activity } = await waymark.ask(ACTIVITY, {
      from: ago(10 * DAY_MS - MINUTE_MS),
      to: ago(0),
      bucket: 'DAY',
    })
    expect(activity.length).toBeGreaterThanOrEqual(10)
  })

  it.each([
    ['a range that is empty', at(0), at(0), {}],
    ['a range that ends before it begins', at(1), at(0), {}],
    ['a user that can name nobody', at(0), at(1), { userId: '' }],
    ['a malformed stream', at(0), at(1), { stream: 'bookmarks' }],
  ])('refuses %s', async (_what, from, to, more) => {
    expect(await refuse(from, to, 'HOUR', more)).toBe('BAD_USER_INPUT')
  })
})
