import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createClient } from 'graphql-sse'
import { seed } from '../../../src/cli/seed.ts'
import { feeds } from '../../support/feed-reader.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Everything that a seed could have written, as text: whole rows, times and versions too. */
async function everyRow({ database }: TestWaymark): Promise<string> {
  const tables = ['crawl_session', 'crawl_checkpoint', 'crawl_state', 'checkpoint_revision', 'feed_event']
  const rows = await Promise.all(
    tables.map((table) => database.query(`SELECT t::text FROM crawler.${table} t ORDER BY 1`)),
  )
  return JSON.stringify(rows)
}

describe('npm run seed', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await seed(waymark.database.url)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('leaves no session running', async () => {
    expect(await waymark.ask('{ sessionStats { total running completed stopped failed } }')).toEqual({
      sessionStats: { total: 9, running: 0, completed: 5, stopped: 1, failed: 3 },
    })
  })

  it('leaves lists whose next crawl is FULL, RESUME and INCREMENTAL', async () => {
    const { sessions } = await waymark.ask('{ sessions(first: 20) { nodes { userId stream } } }')
    const plans: Record<string, string> = {}
    for (const { userId, stream } of sessions.nodes) {
      const { resumePlan } = await waymark.ask(
        'query ($userId: String!, $stream: String!) { resumePlan(userId: $userId, stream: $stream) { mode untilItemIds pageToken } }',
        { userId, stream },
      )
      expect(resumePlan.untilItemIds.length > 0, stream).toBe(resumePlan.mode === 'INCREMENTAL')
      expect(resumePlan.pageToken !== null, stream).toBe(resumePlan.mode === 'RESUME')
      plans[`${userId} ${stream}`] = resumePlan.mode
    }
    expect(plans).toEqual({
      'alice twitter/bookmarks': 'INCREMENTAL',
      'alice reddit/saved': 'INCREMENTAL',
      'bob twitter/bookmarks': 'INCREMENTAL',
      'bob mastodon/bookmarks': 'RESUME',
      'carol linkedin/saved-posts': 'FULL',
      'carol bluesky/bookmarks': 'INCREMENTAL',
      'carol pinboard/all': 'RESUME',
    })
  })

  it('crawls as a crawler does: each session has its epoch, saves and reports, each save its revision under the session', async () => {
    const { alice, saved, history } = await waymark.ask(`{
      alice: sessions(first: 10, filter: { userId: "alice", stream: "twitter/bookmarks" }) {
        nodes { sessionId status epoch attempt commits bookmarksProcessed apiRequests rateLimitHits } }
      saved: checkpoint(userId: "alice") { bookmarksCount version complete
        } history: checkpointHistory(userId: "alice", first: 20) { nodes { session { sessionId } source bookmarksCount } } }`)
    expect(alice.nodes).toMatchObject([
      { sessionId: 'seed-alice-3', status: 'COMPLETED', epoch: 3, commits: 1, bookmarksProcessed: 60 },
      { sessionId: 'seed-alice-2', status: 'FAILED', epoch: 2, commits: 2, apiRequests: 3, rateLimitHits: 1 },
      { sessionId: 'seed-alice-1', status: 'COMPLETED', epoch: 1, commits: 2, bookmarksProcessed: 412 },
    ])
    expect(saved).toMatchObject({ bookmarksCount: 612, complete: true })
    const counts = history.nodes.map((revision: any) => [revision.session?.sessionId, revision.bookmarksCount])
    for (const saved of [
      ['seed-alice-1', 200],
      ['seed-alice-1', 412],
      ['seed-alice-2', 512],
      ['seed-alice-2', 552],
    ]) {
      expect(counts).toContainEqual(saved)
    }
    expect(counts).toContainEqual(['seed-alice-3', 612])
  })

  it('changes nothing where it ran before, also twice at once', async () => {
    const before = await everyRow(waymark)
    const said = await Promise.all([seed(waymark.database.url), seed(waymark.database.url)])
    for (const text of said) expect(text).toMatch(/^seeded: 0 of 9 crawls; what was there is unchanged: alice's/)
    expect(await everyRow(waymark)).toBe(before)
  })
})

describe('npm run seed beside others', () => {
  it('is told by the feeds of a server that runs', async () => {
    await using waymark = await startWaymark()
    const client = createClient({ url: waymark.url, retryAttempts: 0 })
    const { sessions } = await waymark.ask('{ sessions(first: 1) { feedCursor } }')
    const told: string[] = []
    const reading = (async () => {
      const request = { query: feeds.sessionStatusChanged, variables: { after: sessions.feedCursor as string } }
      for await (const { data } of client.iterate<{ told: { kind: string; sessionId: string } }>(request)) {
        if (data) told.push(`${data.told.kind} ${data.told.sessionId}`)
      }
    })()
    await seed(waymark.database.url)
    await expect.poll(() => told.filter((line) => line.startsWith('STARTED')).length, { timeout: 20_000 }).toBe(9)
    expect(told).toContain('STATUS_CHANGED seed-bob-2')
    client.dispose()
    await reading.catch(() => undefined)
  })

  it('leaves alone what somebody else wrote or crawls, and says so', async () => {
    await using waymark = await startWaymark()
    for (const userId of ['alice', 'bob']) await mutate(waymark, 'registerUser', { userId })
    await mutate(waymark, 'saveCheckpoint', { userId: 'alice', itemId: '20', bookmarksCount: 7 })
    await mutate(waymark, 'startSession', { userId: 'bob', stream: 'mastodon/bookmarks', sessionId: 'mine' })
    expect(await seed(waymark.database.url)).toBe(
      "seeded: 5 of 9 crawls; what was there is unchanged: alice's twitter/bookmarks, bob's mastodon/bookmarks",
    )
    expect(
      await waymark.ask(`{ checkpoint(userId: "alice") { lastItemId bookmarksCount version }
        mine: session(sessionId: "mine") { status } carol: sessions(filter: { userId: "carol" }) { totalCount } }`),
    ).toEqual({
      checkpoint: { lastItemId: '20', bookmarksCount: 7, version: 1 },
      mine: { status: 'RUNNING' },
      carol: { totalCount: 3 },
    })
  })

  it('goes on where it was killed', async () => {
    await using waymark = await startWaymark()
    for (const userId of ['alice', 'bob', 'carol', 'dan']) await mutate(waymark, 'registerUser', { userId })
    const key = { userId: 'alice', stream: 'twitter/bookmarks', sessionId: 'seed-alice-1' }
    await mutate(waymark, 'startSession', { ...key, idempotencyKey: 'seed-alice-1' })
    expect(await seed(waymark.database.url)).toContain('9 sessions')
    const { checkpoint } = await waymark.ask('{ checkpoint(userId: "alice") { bookmarksCount } }')
    expect(checkpoint).toEqual({ bookmarksCount: 612 })
  })
})
