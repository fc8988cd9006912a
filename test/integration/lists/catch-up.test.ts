import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const STREAM = 'twitter/bookmarks'
const HEAD = ['90', '80', '70']

describe('a catch-up beside an unfinished crawl', () => {
  const crawls = setUpCrawls()
  const { run, plan, checkpoint, revisions, start, startId, save } = crawls
  const complete = (sessionId: string) => run('completeSession', { sessionId })
  const fail = (sessionId: string) => run('failSession', { sessionId, errorMessage: 'HTTP 503' })
  const CATCH_UP = { mode: 'CATCH_UP' }
  /** A long crawl that has been interrupted, with this head. */
  async function interrupted(headItemIds: readonly string[] = HEAD): Promise<string> {
    const sessionId = await startId()
    await save({ sessionId, itemId: '60', pageToken: 'p2', headItemIds, bookmarksAdded: 100 })
    await fail(sessionId)
    return sessionId
  }

  it('is planned from the top, until the head of the unfinished crawl', async () => {
    await interrupted()
    const started = await start(CATCH_UP)
    expect(started['plan']).toMatchObject({ mode: 'CATCH_UP', afterItemId: null, pageToken: null, untilItemIds: HEAD })
    expect(started['session']).toMatchObject({ mode: 'CATCH_UP', resumedFrom: null, attempt: 1 })
    // Nothing is written before its first save.
    expect(await checkpoint()).toMatchObject({ catchUp: null, version: 1 })
  })

  it('moves its own position, the count and the version, and leaves the crawl beside it', async () => {
    await interrupted()
    const before = await checkpoint()
    const sessionId = await startId(CATCH_UP)
    const saved = await save({
      sessionId,
      itemId: '95',
      pageToken: 'c2',
      headItemIds: ['99', '98', '97'],
      bookmarksAdded: 5,
    })
    expect(saved['checkpoint']).toMatchObject({
      ...{
        lastItemId: '60',
        pageToken: 'p2',
        headItemIds: HEAD,
        complete: false,
        bookmarksCount: 105,
        version: 2,
        epoch: 2,
      },
      catchUp: { lastItemId: '95', pageToken: 'c2', headItemIds: ['99', '98', '97'] },
    })
    expect(Date.parse(saved['checkpoint'].lastCrawledAt)).toBeGreaterThanOrEqual(Date.parse(before['lastCrawledAt']))
    // AUTO never chooses it.
    expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '60', pageToken: 'p2' })
  })

  it('continues after its own position, and the crawl after its own, with the sessions that each continues', async () => {
    const main = await interrupted()
    const first = await startId(CATCH_UP)
    await save({ sessionId: first, itemId: '95', pageToken: 'c2', headItemIds: ['99', '98', '97'] })
    await fail(first)
    const second = await start(CATCH_UP)
    expect(second['plan']).toMatchObject({ mode: 'CATCH_UP', afterItemId: '95', pageToken: 'c2', untilItemIds: HEAD })
    expect(second['session']).toMatchObject({ resumedFrom: { sessionId: first }, attempt: 2 })
    await complete(second['session'].sessionId)
    const resumed = await start()
    expect(resumed['plan']).toMatchObject({ mode: 'RESUME', afterItemId: '60', pageToken: 'p2' })
    expect(resumed['session']).toMatchObject({ resumedFrom: { sessionId: main }, attempt: 2 })
  })

  it('makes its head the head of the unfinished crawl once it completes, and nothing else', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '95', headItemIds: ['99', '98', '97'] })
    const before = await checkpoint()
    await complete(sessionId)
    expect(await checkpoint()).toEqual({
      ...before,
      version: 3,
      headItemIds: ['99', '98', '97'],
      catchUp: null,
      lastCrawledAt: expect.any(String) as string,
    })
    expect(before['lastCompletedAt']).toBeNull()
    expect((await revisions()).at(-1)).toMatchObject({ source: 'COMPLETE', version: 3 })
    // The next one stops there, and so does the next incremental crawl once the long one is complete.
    expect((await start(CATCH_UP))['plan']).toMatchObject({ untilItemIds: ['99', '98', '97'] })
    const last = await startId({ takeover: true })
    await save({ sessionId: last, itemId: '10' })
    await complete(last)
    expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['99', '98', '97'] })
  })

  it('without a head of its own leaves the head that is there', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '95' })
    await complete(sessionId)
    expect(await checkpoint()).toMatchObject({ headItemIds: HEAD, catchUp: null })
  })

  it('that found one item only leaves a head that can be met', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '99', headItemIds: ['99'] })
    await complete(sessionId)
    expect(await checkpoint()).toMatchObject({ headItemIds: ['99', ...HEAD] })
  })

  it('that found nothing is no version, but an event', async () => {
    await interrupted()
    const before = await checkpoint()
    await complete(await startId(CATCH_UP))
    expect(await checkpoint()).toEqual({ ...before, lastCrawledAt: expect.any(String) as string })
    const events = await crawls.waymark.database.query(
      `SELECT kind, version FROM crawler.feed_event WHERE user_id = $1 AND version IS NOT NULL ORDER BY event_id`,
      [crawls.userId],
    )
    expect(events).toEqual([
      { kind: 'CHECKPOINT_SAVED', version: 1 },
      { kind: 'CHECKPOINT_SAVED', version: 1 },
    ])
  })

  it('saves without an item too, from its first page on', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    const saved = await save({ sessionId, itemId: null, pageToken: 'c2' })
    expect(saved['checkpoint']).toMatchObject({
      ...{ lastItemId: '60', pageToken: 'p2', version: 2 },
      catchUp: { lastItemId: null, pageToken: 'c2', headItemIds: [] },
    })
    await fail(sessionId)
    expect((await start(CATCH_UP))['plan']).toMatchObject({ mode: 'CATCH_UP', afterItemId: null, pageToken: 'c2' })
  })

  it('appends the heads of its next pages while it holds fewer than three items', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    for (const itemId of ['99', '98', '97', '96']) await save({ sessionId, itemId, headItemIds: [itemId] })
    expect((await checkpoint())['catchUp']).toMatchObject({ headItemIds: ['99', '98', '97'] })
  })

  it.each([
    ['without a checkpoint', () => Promise.resolve(), 'FULL'],
    [
      'on a complete one',
      async () => {
        const sessionId = await startId()
        await save({ sessionId, itemId: '60', headItemIds: HEAD })
        await complete(sessionId)
      },
      'INCREMENTAL',
    ],
  ])('is AUTO %s', async (_what, prepare, mode) => {
    await prepare()
    const started = await start(CATCH_UP)
    expect(started['plan']).toMatchObject({ mode })
    expect(started['session']).toMatchObject({ mode })
  })

  it.each([
    ['no head', undefined],
    ['a head of one item', ['90']],
  ])('is CATCH_UP_IMPOSSIBLE where the crawl has %s, and ends nobody', async (_what, headItemIds) => {
    await interrupted(headItemIds ?? [])
    const owner = await startId()
    expect((await start(CATCH_UP)).code).toBe('STREAM_BUSY')
    const refused = await start({ ...CATCH_UP, takeover: true })
    expect(refused).toMatchObject({ __typename: 'CatchUpImpossibleError', code: 'CATCH_UP_IMPOSSIBLE' })
    expect(refused['message']).toContain('no head of two items')
    expect(await crawls.session(owner)).toMatchObject({ status: 'RUNNING' })
  })

  it('is CATCH_UP_IMPOSSIBLE on a list that must ascend', async () => {
    const stream = 'reddit/saved-ascending'
    await crawls.waymark.ask(
      `mutation { configureStream(input: { name: "${stream}", ordering: ASCENDING }) { __typename } }`,
    )
    const sessionId = await startId({ stream })
    await save({ stream, sessionId, itemId: 't3_a', headItemIds: ['t3_a', 't3_b'] })
    await run('stopSession', { sessionId })
    expect((await start({ stream, ...CATCH_UP })).code).toBe('CATCH_UP_IMPOSSIBLE')
  })

  it('is kept by a takeover, and ends when the crawl completes', async () => {
    await interrupted()
    const first = await startId(CATCH_UP)
    await save({ sessionId: first, itemId: '95' })
    const main = await startId({ takeover: true })
    expect(await checkpoint()).toMatchObject({ catchUp: { lastItemId: '95' } })
    expect((await save({ sessionId: first, itemId: '94' })).code).toBe('STALE_EPOCH')
    await complete(main)
    expect(await checkpoint()).toMatchObject({ catchUp: null, complete: true })
  })

  const endings = {
    'a clear by its own session': (sessionId: string) => run('clearCheckpoint', { userId: crawls.userId, sessionId }),
    'a deletion by another SQL client': () =>
      crawls.waymark.database.query('DELETE FROM crawler.crawl_checkpoint WHERE user_id = $1', [crawls.userId]),
  }
  it.each(Object.entries(endings))('loses the list to %s: STALE_EPOCH', async (_what, end) => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '95' })
    await end(sessionId)
    expect((await save({ sessionId, itemId: '94' })).code).toBe('STALE_EPOCH')
    expect((await run('heartbeat', { sessionId })).code).toBe('STALE_EPOCH')
    // Nobody waits for its lease.
    expect((await start())['plan']).toMatchObject({ mode: 'FULL' })
  })

  it('is in the history, and a rollback restores it', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '95', pageToken: 'c2', headItemIds: ['99', '98', '97'] })
    const before = await checkpoint()
    await complete(sessionId)
    await run('rollbackCheckpoint', { userId: crawls.userId, stream: STREAM, toVersion: 2 })
    expect(await checkpoint()).toMatchObject({ version: 4, headItemIds: HEAD, catchUp: before['catchUp'] })
    const history = await crawls.waymark.ask(
      'query ($u: String!) { checkpointHistory(userId: $u) { nodes { catchUp { lastItemId pageToken headItemIds startedAt } } } }',
      { u: crawls.userId },
    )
    const catchUps = history.checkpointHistory.nodes.map((node: { catchUp: unknown }) => node.catchUp)
    expect(catchUps).toEqual([before['catchUp'], null, before['catchUp'], null])
    expect((await start(CATCH_UP))['plan']).toMatchObject({ mode: 'CATCH_UP', afterItemId: '95', pageToken: 'c2' })
  })

  it('stays beside what another SQL client writes', async () => {
    await interrupted()
    const sessionId = await startId(CATCH_UP)
    await save({ sessionId, itemId: '95', pageToken: 'c2' })
    await crawls.waymark.database.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = '50' WHERE user_id = $1`, [
      crawls.userId,
    ])
    expect(await checkpoint()).toMatchObject({ lastItemId: '50', pageToken: null, catchUp: { lastItemId: '95' } })
    expect(await save({ sessionId, itemId: '94' })).toMatchObject({ checkpoint: { lastItemId: '50' } })
  })
})
