import { createClient } from 'graphql-sse'
import { describe, expect, it } from 'vitest'
import { beforeEachFreshUser } from '../../support/fresh-user.ts'
import { mutate, startOn, type TestWaymark } from '../../support/waymark.ts'

interface Told {
  readonly cursor: string
  readonly kind: string
  readonly userId: string
  readonly version?: number
  readonly lastItemId?: string | null
  readonly sessionId?: string
}

const CHECKPOINTS = `subscription ($filter: CheckpointFilter, $after: String) { told: checkpointChanged(filter: $filter, after: $after) {
  cursor kind occurredAt nodeId userId stream version lastItemId bookmarksCount checkpoint { id version } session { sessionId commits } } }`
const SESSIONS = `subscription ($filter: CrawlSessionFilter, $after: String) { told: sessionStatusChanged(filter: $filter, after: $after) {
  cursor kind userId sessionId previousStatus status } }`

/** Reads a feed over SSE until it has told `count` events, or has ended with an error. */
async function read(url: string, query: string, variables: Record<string, unknown>, count: number) {
  const client = createClient({ url, retryAttempts: 0 })
  const told: Told[] = []
  let code: string | undefined
  let message: string | undefined
  await new Promise<void>((resolve) => {
    if (count === 0) resolve()
    client.subscribe<{ told: Told }>(
      { query, variables },
      {
        next: ({ data, errors }) => {
          if (data) told.push(data.told)
          code ??= errors?.[0]?.extensions['code'] as string | undefined
          message ??= errors?.[0]?.message
          if (told.length >= count) resolve()
        },
        error: () => resolve(),
        complete: () => resolve(),
      },
    )
  })
  client.dispose()
  return { told, code, message }
}

describe('a feed', () => {
  let waymark: TestWaymark
  let userId: string
  beforeEachFreshUser((server, user) => {
    waymark = server
    userId = user
  })
  const save = (itemId: string, input: Record<string, unknown> = {}) =>
    mutate(waymark, 'saveCheckpoint', { userId, itemId, bookmarksAdded: 1, ...input })
  const feedCursor = async (list: 'checkpoints' | 'sessions' = 'checkpoints') =>
    (await waymark.ask(`{ ${list}(first: 1) { feedCursor } }`))[list].feedCursor as string

  it('goes on after a list’s feedCursor with everything that changed since, in order, by whoever', async () => {
    const after = await feedCursor()
    const { session } = await mutate(waymark, 'startSession', { userId })
    await save('1', { sessionId: session.sessionId })
    await waymark.database.query(`UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '2' WHERE user_id = $1`, [
      userId,
    ])
    await mutate(waymark, 'completeSession', { sessionId: session.sessionId })
    await mutate(waymark, 'clearCheckpoint', { userId })
    await waymark.ask(
      'mutation ($userId: String!) { rollbackCheckpoint(input: { userId: $userId, stream: "twitter/bookmarks", toVersion: 1 }) { __typename } }',
      { userId },
    )
    const { told } = await read(waymark.url, CHECKPOINTS, { after, filter: { userId } }, 5)
    expect(told).toMatchObject([
      {
        kind: 'SAVED',
        version: 1,
        lastItemId: '1',
        bookmarksCount: 1,
        session: { sessionId: session.sessionId, commits: 1 },
      },
      { kind: 'SAVED', version: 2, lastItemId: '2', bookmarksCount: 1, session: null },
      { kind: 'SAVED', version: 3, lastItemId: '2' },
      { kind: 'CLEARED', version: 4, lastItemId: null, bookmarksCount: 0 },
      { kind: 'ROLLED_BACK', version: 5, lastItemId: '1', bookmarksCount: 1, checkpoint: { version: 5 } },
    ])
  })

  it('goes on after any of its events, on any replica', async () => {
    const after = await feedCursor()
    for (let item = 1; item <= 6; item += 1) await save(String(item))
    const { told } = await read(waymark.url, CHECKPOINTS, { after, filter: { userId } }, 6)
    const second = await startOn(waymark.database.url)
    try {
      for (const [place, event] of told.slice(0, -1).entries()) {
        const rest = await read(second.url, CHECKPOINTS, { after: event.cursor, filter: { userId } }, 5 - place)
        expect(rest.told).toEqual(told.slice(place + 1))
      }
    } finally {
      await second.close()
    }
  })

  it('tells sessions from where a list of them was read, and the request to stop', async () => {
    const after = await feedCursor('sessions')
    const { session } = await mutate(waymark, 'startSession', { userId })
    const { sessionId } = session
    for (let round = 0; round < 2; round += 1) {
      await waymark.ask(
        'mutation ($sessionId: String!) { requestStop(input: { sessionId: $sessionId }) { __typename } }',
        { sessionId },
      )
    }
    await mutate(waymark, 'stopSession', { sessionId })
    const { told } = await read(waymark.url, SESSIONS, { after, filter: { userId } }, 3)
    expect(told).toMatchObject([
      { kind: 'STARTED', sessionId, status: 'RUNNING' },
      { kind: 'STOP_REQUESTED', sessionId, previousStatus: 'RUNNING', status: 'RUNNING' },
      { kind: 'STATUS_CHANGED', sessionId, status: 'STOPPED' },
    ])
  })

  it('gives each user’s list of sessions a cursor too', async () => {
    const { user } = await waymark.ask(
      'query ($userId: String!) { user(userId: $userId) { sessions { feedCursor } } }',
      { userId },
    )
    expect(user.sessions.feedCursor).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  it('keeps to its filter', async () => {
    const after = await feedCursor()
    await mutate(waymark, 'registerUser', { userId: 'other' })
    await save('1', { userId: 'other' })
    await save('t3_a', { stream: 'reddit/saved' })
    await save('2')
    const streams = async (filter: Record<string, unknown>, count: number) =>
      (await read(waymark.url, CHECKPOINTS, { after, filter }, count)).told.map((event) => [
        event.userId,
        event.lastItemId,
      ])
    expect(await streams({ platform: 'REDDIT', userId }, 1)).toEqual([[userId, 't3_a']])
    expect(await streams({ userId }, 2)).toEqual([
      [userId, 't3_a'],
      [userId, '2'],
    ])
    expect(await streams({ stream: 'twitter/bookmarks' }, 2)).toEqual([
      ['other', '1'],
      [userId, '2'],
    ])
  })

  it.each([
    ['no cursor', 'abc', 'BAD_USER_INPUT'],
    [
      'a cursor of another generation',
      Buffer.from('00000000-0000-4000-8000-000000000000:1').toString('base64url'),
      'CURSOR_EXPIRED',
    ],
  ])('refuses %s', async (_what, after, code) => {
    for (const query of [CHECKPOINTS, SESSIONS]) expect((await read(waymark.url, query, { after }, 1)).code).toBe(code)
  })

  it('refuses a cursor that is ahead of what was ever given out', async () => {
    const [generation] = Buffer.from(await feedCursor(), 'base64url')
      .toString()
      .split(':')
    const ahead = Buffer.from(`${generation}:999999999`).toString('base64url')
    expect((await read(waymark.url, CHECKPOINTS, { after: ahead }, 1)).code).toBe('CURSOR_EXPIRED')
  })

  it('refuses filters by time', async () => {
    expect((await read(waymark.url, CHECKPOINTS, { filter: { crawledAfter: '2026-01-01T00:00:00Z' } }, 1)).code).toBe(
      'BAD_USER_INPUT',
    )
    for (const filter of [{ completedAfter: '2026-01-01T00:00:00Z' }, { stalled: true }]) {
      expect((await read(waymark.url, SESSIONS, { filter }, 1)).code).toBe('BAD_USER_INPUT')
    }
  })
})
