import { createClient } from 'graphql-sse'
import { describe, expect, it } from 'vitest'
import { withClient } from '../../support/database.ts'
import { beforeEachFreshUser } from '../../support/fresh-user.ts'
import { clientOf, mutate, startOn, startWaymark, type TestWaymark } from '../../support/waymark.ts'

interface Event {
  readonly cursor: string
  readonly kind: string
  readonly occurredAt: string
  readonly nodeId: string
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly previousStatus: string | null
  readonly status: string
  readonly session: { readonly id: string; readonly status: string; readonly bookmarksProcessed: number } | null
}

const SUBSCRIPTION = `subscription ($filter: CrawlSessionFilter, $after: String) {
  sessionStatusChanged(filter: $filter, after: $after) {
    cursor kind occurredAt nodeId sessionId userId stream previousStatus status session { id status bookmarksProcessed } } }`

/**
 * A subscription over SSE, as the graphql-sse client makes it, that is listening once this resolves. What was recorded before
 * may still come ("from now on" begins at the last event known to be final), and is left out here by the database's clock.
 */
async function watch(
  { url, database }: Pick<TestWaymark, 'url' | 'database'>,
  variables: Record<string, unknown> = {},
) {
  await database.query('SELECT pg_sleep(0.002)')
  const [row] = await database.query<{ now: Date }>('SELECT crawler.clock() AS now')
  const since = row?.now.getTime() ?? 0
  let opened: () => void = () => undefined
  const listening = new Promise<void>((resolve) => (opened = resolve))
  const client = createClient({
    url,
    retryAttempts: 0,
    fetchFn: async (input: string, init: RequestInit) => {
      const response = await fetch(input, init)
      opened()
      return response
    },
  })
  const events: Event[] = []
  const errors: { readonly message: string; readonly extensions: { readonly code: string } }[] = []
  const ended = new Promise<void>((resolve) => {
    client.subscribe<{ sessionStatusChanged: Event }>(
      { query: SUBSCRIPTION, variables },
      {
        next: ({ data, errors: failed }) => {
          if (data && Date.parse(data.sessionStatusChanged.occurredAt) >= since) events.push(data.sessionStatusChanged)
          for (const error of failed ?? []) errors.push(error as unknown as (typeof errors)[number])
        },
        error: () => resolve(),
        complete: resolve,
      },
    )
  })
  await listening
  return {
    events,
    errors,
    ended,
    seen: (count: number) => expect.poll(() => events.length, { timeout: 10_000 }).toBe(count),
    [Symbol.asyncDispose]: async () => {
      client.dispose()
      await ended
    },
  }
}

describe('sessionStatusChanged', () => {
  let waymark: TestWaymark
  let userId: string
  beforeEachFreshUser((server, user) => {
    waymark = server
    userId = user
  })
  const start = async (input: Record<string, unknown> = {}) =>
    (await mutate(waymark, 'startSession', { userId, ...input }))['session'] as { id: string; sessionId: string }

  it('tells a start and an end as they happen, with the session as it is when told', async () => {
    await using feed = await watch(waymark, { filter: { userId } })
    const { id, sessionId } = await start()
    await mutate(waymark, 'heartbeat', { sessionId, bookmarksProcessed: 5 })
    await mutate(waymark, 'failSession', { sessionId, errorMessage: 'out of luck' })
    await feed.seen(2)
    const same = { nodeId: id, sessionId, userId, stream: 'twitter/bookmarks' }
    expect(feed.events).toMatchObject([
      { ...same, kind: 'STARTED', previousStatus: null, status: 'RUNNING' },
      {
        ...same,
        kind: 'STATUS_CHANGED',
        previousStatus: 'RUNNING',
        status: 'FAILED',
        session: { id, status: 'FAILED', bookmarksProcessed: 5 },
      },
    ])
    const [started, failed] = feed.events
    expect(started?.cursor).not.toBe(failed?.cursor)
    expect(Date.parse(failed?.occurredAt ?? '')).toBeGreaterThanOrEqual(Date.parse(started?.occurredAt ?? ''))
  })

  it('tells nothing where nothing changed: a heartbeat, a second end, a refused start', async () => {
    const { sessionId } = await start()
    await mutate(waymark, 'stopSession', { sessionId })
    await using feed = await watch(waymark, { filter: { userId } })
    await mutate(waymark, 'stopSession', { sessionId })
    await mutate(waymark, 'completeSession', { sessionId })
    await mutate(waymark, 'startSession', { userId, sessionId })
    const next = await start()
    await feed.seen(1)
    expect(feed.events).toMatchObject([{ sessionId: next.sessionId, kind: 'STARTED' }])
  })

  it('tells what psql and cascades do, and shows no session once it is deleted', async () => {
    const { id, sessionId } = await start()
    await using feed = await watch(waymark, { filter: { userId } })
    await waymark.database.query(`UPDATE crawler.crawl_session SET status = 'completed' WHERE session_id = $1`, [
      sessionId,
    ])
    await feed.seen(1)
    await waymark.database.query(`DELETE FROM public."user" WHERE id = $1`, [userId])
    await feed.seen(2)
    expect(feed.events).toMatchObject([
      { kind: 'STATUS_CHANGED', previousStatus: 'RUNNING', status: 'COMPLETED', session: { status: 'COMPLETED' } },
      { kind: 'DELETED', nodeId: id, sessionId, previousStatus: 'COMPLETED', status: 'COMPLETED', session: null },
    ])
  })

  it('tells a session renamed by psql as one gone and one new', async () => {
    const { sessionId } = await start()
    await using feed = await watch(waymark, { filter: { userId } })
    await waymark.database.query(`UPDATE crawler.crawl_session SET session_id = $2 WHERE session_id = $1`, [
      sessionId,
      `new-${sessionId}`,
    ])
    await feed.seen(2)
    expect(feed.events).toMatchObject([
      { kind: 'DELETED', sessionId },
      { kind: 'STARTED', sessionId: `new-${sessionId}`, previousStatus: null },
    ])
  })

  it('tells nothing of a transaction that was rolled back, and waits for one that is open', async () => {
    await using feed = await watch(waymark, { filter: { userId } })
    await withClient(waymark.database.url, async (client) => {
      const insert = `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ($1, $2)`
      await client.query('BEGIN')
      await client.query(insert, [`rolled-back-${userId}`, userId])
      await client.query('ROLLBACK')
      await client.query('BEGIN')
      await client.query(insert, [`early-${userId}`, userId])
      // Committed first, but recorded after what is still open: telling it now would tell them out of order.
      const { sessionId } = await start()
      await client.query('COMMIT')
      await feed.seen(2)
      expect(feed.events.map((event) => event.sessionId)).toEqual([`early-${userId}`, sessionId])
    })
  })

  describe('keeps to its filter:', () => {
    it('a status matches the new one or the previous one, so that a session is seen leaving', async () => {
      await using completed = await watch(waymark, { filter: { userId, status: ['COMPLETED'] } })
      await using running = await watch(waymark, { filter: { userId, status: ['RUNNING'] } })
      await using all = await watch(waymark, { filter: { userId } })
      const first = await start()
      const second = await start({ stream: 'reddit/saved' })
      await mutate(waymark, 'completeSession', { sessionId: first.sessionId })
      await mutate(waymark, 'stopSession', { sessionId: second.sessionId })
      await waymark.database.query('DELETE FROM crawler.crawl_session WHERE session_id = $1', [first.sessionId])
      await all.seen(5)
      await completed.seen(2)
      expect(completed.events.map(({ kind }) => kind)).toEqual(['STATUS_CHANGED', 'DELETED'])
      await running.seen(4)
    })

    it('user, stream and platform', async () => {
      await mutate(waymark, 'registerUser', { userId: 'other' })
      await using all = await watch(waymark, {})
      await using ofStream = await watch(waymark, { filter: { stream: 'reddit/saved' } })
      await using ofReddit = await watch(waymark, { filter: { platform: 'REDDIT', userId } })
      await using ofOther = await watch(waymark, { filter: { platform: 'OTHER' } })
      await start({ sessionId: `a-${userId}`, stream: 'reddit/saved' })
      await start({ sessionId: `b-${userId}`, userId: 'other', stream: 'reddit/saved' })
      await start({ sessionId: `c-${userId}`, stream: 'reddit/upvoted' })
      await start({ sessionId: `d-${userId}`, stream: 'pinboard/all' })
      await all.seen(4)
      await Promise.all([ofStream.seen(2), ofReddit.seen(2), ofOther.seen(1)])
      expect(ofStream.events.map(({ sessionId }) => sessionId)).toEqual([`a-${userId}`, `b-${userId}`])
      expect(ofReddit.events.map(({ sessionId }) => sessionId)).toEqual([`a-${userId}`, `c-${userId}`])
      expect(ofOther.events.map(({ sessionId }) => sessionId)).toEqual([`d-${userId}`])
    })

    it.each([
      ['startedBefore', { filter: { startedBefore: '2026-01-01T00:00:00Z' } }],
      ['startedAfter', { filter: { startedAfter: '2026-01-01T00:00:00Z' } }],
      ['a malformed user', { filter: { userId: '' } }],
      ['a malformed stream', { filter: { stream: 'x' } }],
      ['an after that is no cursor', { after: 'abc' }],
    ])('%s is BAD_USER_INPUT', async (_what, variables) => {
      await using feed = await watch(waymark, variables)
      await feed.ended
      expect(feed.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    })
  })

  it('reaches the subscribers of another server on the same database', async () => {
    const second = await startOn(waymark.database.url)
    try {
      await using feed = await watch({ url: second.url, database: waymark.database }, { filter: { userId } })
      const { sessionId } = await start()
      await mutate(clientOf(second.url), 'completeSession', { sessionId })
      await feed.seen(2)
      expect(feed.events.map(({ status }) => status)).toEqual(['RUNNING', 'COMPLETED'])
    } finally {
      await second.close()
    }
  })

  it('goes on when the connections to the database were cut', async () => {
    await using feed = await watch(waymark, { filter: { userId } })
    await waymark.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'waymark%' AND datname = current_database()`,
    )
    await expect.poll(async () => (await waymark.send('{ users { totalCount } }')).errors).toBeUndefined()
    const { sessionId } = await start()
    await feed.seen(1)
    expect(feed.events).toMatchObject([{ sessionId }])
  })

  it('ends for a subscriber that leaves, and for all when the server closes', async () => {
    const closing = await startWaymark()
    const first = await watch(closing)
    await first[Symbol.asyncDispose]()
    const second = await watch(closing)
    await closing[Symbol.asyncDispose]()
    await second.ended
    expect(second.errors).toEqual([])
  })
})
