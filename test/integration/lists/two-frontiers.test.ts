import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

describe('the two frontiers of an unfinished crawl', () => {
  const crawls = setUpCrawls()
  const { run, start, startId, save, checkpoint, plan } = crawls
  const HEAD = ['90', '80', '70']
  const FRESH = ['99', '98', '97']
  /** A crawl at 60 whose catch-up is at 95: versions 1 and 2. */
  async function both(): Promise<{ main: string; beside: string }> {
    const main = await startId()
    await save({ sessionId: main, itemId: '60', pageToken: 'p2', headItemIds: HEAD, bookmarksAdded: 3 })
    await run('failSession', { sessionId: main, errorMessage: 'HTTP 503' })
    const beside = await startId({ mode: 'CATCH_UP' })
    await save({ sessionId: beside, itemId: '95', pageToken: 'c2', headItemIds: FRESH, bookmarksAdded: 2 })
    return { main, beside }
  }
  const BOTH = { lastItemId: '60', pageToken: 'p2', headItemIds: HEAD, catchUp: { lastItemId: '95', pageToken: 'c2' } }
  const roll = (toVersion: number) =>
    run('rollbackCheckpoint', { userId: crawls.userId, stream: 'twitter/bookmarks', toVersion })

  it('are fenced: a session of the one writes nothing after a session of the other took the list', async () => {
    const { main, beside } = await both()
    const first = await checkpoint()
    expect((await save({ sessionId: main, itemId: '50' })).code).toBe('STALE_EPOCH')
    const next = await startId({ takeover: true })
    expect((await save({ sessionId: beside, itemId: '94' })).code).toBe('STALE_EPOCH')
    expect((await run('completeSession', { sessionId: beside })).code).toBe('STALE_EPOCH')
    const again = await startId({ mode: 'CATCH_UP', takeover: true })
    expect((await save({ sessionId: next, itemId: '50' })).code).toBe('STALE_EPOCH')
    expect((await run('completeSession', { sessionId: next })).code).toBe('STALE_EPOCH')
    expect(await checkpoint()).toEqual(first)
    expect(await save({ sessionId: again, itemId: '94' })).toMatchObject({
      checkpoint: { catchUp: { lastItemId: '94' } },
    })
  })

  it('are both kept by takeovers, and each is carried on by its own sessions', async () => {
    await both()
    expect(await start({ takeover: true })).toMatchObject({
      checkpoint: BOTH,
      plan: { mode: 'RESUME', afterItemId: '60', pageToken: 'p2' },
    })
    expect(await start({ mode: 'CATCH_UP', takeover: true })).toMatchObject({
      checkpoint: BOTH,
      plan: { mode: 'CATCH_UP', afterItemId: '95', pageToken: 'c2', untilItemIds: HEAD },
    })
  })

  it('are both in the history, and each rollback restores both as they were', async () => {
    const { beside } = await both()
    await run('completeSession', { sessionId: beside })
    const main = await startId()
    await save({ sessionId: main, itemId: '50', pageToken: 'p3' })
    await run('stopSession', { sessionId: main })
    const { checkpointHistory } = await crawls.waymark.ask(
      `query ($u: String!) { checkpointHistory(userId: $u) { nodes {
        version lastItemId pageToken headItemIds catchUp { lastItemId pageToken headItemIds } } } }`,
      { u: crawls.userId },
    )
    const [last, completed, caughtUp, first] = checkpointHistory.nodes as Record<string, unknown>[]
    expect(last).toMatchObject({ version: 4, lastItemId: '50', pageToken: 'p3', headItemIds: FRESH, catchUp: null })
    expect(completed).toMatchObject({
      version: 3,
      lastItemId: '60',
      pageToken: 'p2',
      headItemIds: FRESH,
      catchUp: null,
    })
    expect(caughtUp).toMatchObject({ version: 2, ...BOTH })
    expect(first).toMatchObject({ version: 1, lastItemId: '60', headItemIds: HEAD, catchUp: null })
    for (const revision of [caughtUp, first, completed, last]) {
      await roll(revision?.['version'] as number)
      const { version: _, ...state } = revision ?? {}
      expect(await checkpoint()).toMatchObject(state)
    }
  })

  it('are judged for order apart: what a catch-up saves lies anywhere, what the crawl saves does not', async () => {
    await both()
    const beside = await startId({ mode: 'CATCH_UP', takeover: true })
    await crawls.waymark.ask(
      'mutation { configureStream(input: { name: "twitter/bookmarks", ordering: ASCENDING }) { __typename } }',
    )
    try {
      // It began before the list had an order.
      expect(await save({ sessionId: beside, itemId: '10' })).toMatchObject({
        checkpoint: { catchUp: { lastItemId: '10' } },
      })
      expect((await start({ mode: 'CATCH_UP', takeover: true })).code).toBe('CATCH_UP_IMPOSSIBLE')
      const main = await startId({ takeover: true })
      expect((await save({ sessionId: main, itemId: '59' })).code).toBe('ORDER_VIOLATION')
    } finally {
      await crawls.waymark.ask(
        'mutation { configureStream(input: { name: "twitter/bookmarks", ordering: NONE }) { __typename } }',
      )
    }
  })

  describe('beside another SQL client', () => {
    const write = (columns: string) =>
      crawls.waymark.database.query(`UPDATE crawler.crawl_checkpoint SET ${columns} WHERE user_id = $1`, [
        crawls.userId,
      ])

    it('that moves the position: the main one moves, the catch-up stays, and both go on', async () => {
      const { beside } = await both()
      await write(`last_tweet_id = '50'`)
      const expected = { lastItemId: '50', pageToken: null, headItemIds: HEAD, catchUp: BOTH.catchUp }
      expect(await checkpoint()).toMatchObject({ ...expected, version: 3 })
      expect((await crawls.revisions()).at(-1)).toMatchObject({ source: 'EXTERNAL', last_item_id: '50' })
      await run('completeSession', { sessionId: beside })
      expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '50' })
      expect(await checkpoint()).toMatchObject({ headItemIds: FRESH, catchUp: null })
      await roll(3)
      expect(await checkpoint()).toMatchObject(expected)
    })

    it.each([`last_crawled_at = now()`, `bookmarks_count = 7`])('that sets %s: neither moves', async (columns) => {
      await both()
      await write(columns)
      expect(await checkpoint()).toMatchObject({ ...BOTH, pageToken: null, version: 3 })
    })

    it('that changes the user: both go along, and the sessions of both lose the list', async () => {
      const { beside } = await both()
      await run('registerUser', { userId: `${crawls.userId}-new` })
      await write(`user_id = '${crawls.userId}-new'`)
      expect((await save({ sessionId: beside, itemId: '94' })).code).toBe('STALE_EPOCH')
      const moved = await run('startSession', { userId: `${crawls.userId}-new`, mode: 'CATCH_UP' })
      expect(moved).toMatchObject({
        checkpoint: BOTH,
        plan: { mode: 'CATCH_UP', afterItemId: '95', untilItemIds: HEAD },
      })
    })

    it('that deletes the row and makes it anew: both are gone', async () => {
      await both()
      await crawls.waymark.database.query('DELETE FROM crawler.crawl_checkpoint WHERE user_id = $1', [crawls.userId])
      await crawls.waymark.database.query(
        `INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, '60')`,
        [crawls.userId],
      )
      expect(await checkpoint()).toMatchObject({ lastItemId: '60', pageToken: null, headItemIds: [], catchUp: null })
      expect((await start({ mode: 'CATCH_UP' })).code).toBe('CATCH_UP_IMPOSSIBLE')
    })
  })
})
