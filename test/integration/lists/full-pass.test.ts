import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const STREAM = 'twitter/bookmarks'

describe('a full pass', () => {
  const crawls = setUpCrawls()
  const { run, plan, checkpoint, revisions, start, startId, save } = crawls
  const complete = (sessionId: string) => run('completeSession', { sessionId })
  const fail = (sessionId: string) => run('failSession', { sessionId, errorMessage: 'HTTP 503' })
  const HEAD = ['90', '80', '70']
  async function crawled(): Promise<void> {
    const sessionId = await startId()
    await save({ sessionId, itemId: '20', headItemIds: HEAD, bookmarksAdded: 300 })
    await complete(sessionId)
  }

  it('begins with its session, in one revision, and leaves position, count and anchors for whoever looks', async () => {
    await crawled()
    const before = await checkpoint()
    const started = await start({ mode: 'FULL' })
    expect(started['plan']).toMatchObject({ mode: 'FULL', afterItemId: null, pageToken: null, untilItemIds: [] })
    expect(started['session']).toMatchObject({ mode: 'FULL', planReason: started['plan'].reason, resumedFrom: null })
    expect(await checkpoint()).toEqual({
      ...before,
      version: 3,
      epoch: 2,
      fullPass: true,
      fullPassHasItem: false,
      complete: false,
    })
    expect((await revisions()).at(-1)).toMatchObject({
      version: 3,
      source: 'RESTART',
      actor: 'local',
      bookmarks_count: 300,
    })
  })

  it('drops the token, the head and the catch-up of an unfinished crawl', async () => {
    const first = await startId()
    await save({ sessionId: first, itemId: '80', pageToken: 'p2', headItemIds: HEAD })
    await fail(first)
    const catchUp = await startId({ mode: 'CATCH_UP' })
    await save({ sessionId: catchUp, itemId: '99', headItemIds: ['99', '98', '97'] })
    await fail(catchUp)
    await start({ mode: 'FULL' })
    expect(await checkpoint()).toMatchObject({ lastItemId: '80', pageToken: null, headItemIds: [], catchUp: null })
  })

  it('goes to the end, however often it is interrupted', async () => {
    await crawled()
    let sessionId = await startId({ mode: 'FULL' })
    // Twice before it has an item: FULL again, since what is stored is of the crawl before.
    for (let interruption = 1; interruption <= 2; interruption += 1) {
      await fail(sessionId)
      expect(await plan()).toMatchObject({ mode: 'FULL', afterItemId: null, untilItemIds: [] })
      sessionId = await startId()
    }
    for (const itemId of ['95', '85', '75']) {
      await save({ sessionId, itemId, pageToken: `after-${itemId}`, headItemIds: ['95', '94', '93'] })
      await fail(sessionId)
      const asked = await plan()
      expect(asked).toMatchObject({
        mode: 'RESUME',
        afterItemId: itemId,
        pageToken: `after-${itemId}`,
        untilItemIds: [],
      })
      expect(asked.reason).toMatch(/; carry on to the end, since this is a full pass$/)
      sessionId = await startId()
    }
    expect(await checkpoint()).toMatchObject({ fullPass: true, fullPassHasItem: true, anchorItemIds: HEAD })
    await complete(sessionId)
    expect(await checkpoint()).toMatchObject({ fullPass: false, fullPassHasItem: false, complete: true })
    expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['95', '94', '93'] })
  })

  it('goes on with the count and the version', async () => {
    await crawled()
    const sessionId = await startId({ mode: 'FULL' })
    const saved = await save({ sessionId, itemId: '95', bookmarksAdded: 5 })
    expect(saved['checkpoint']).toMatchObject({ bookmarksCount: 305, version: 4 })
  })

  it('keeps a token that was saved before its first item', async () => {
    await crawled()
    const sessionId = await startId({ mode: 'FULL' })
    await save({ sessionId, itemId: null, pageToken: 'empty-1' })
    await fail(sessionId)
    const asked = await plan()
    expect(asked).toMatchObject({ mode: 'FULL', afterItemId: null, pageToken: 'empty-1', untilItemIds: [] })
    expect(asked.reason).toContain('a page token is kept')
  })

  it('that met nothing leaves the anchors', async () => {
    await crawled()
    await complete(await startId({ mode: 'FULL' }))
    expect(await checkpoint()).toMatchObject({ complete: true, fullPass: false, anchorItemIds: HEAD, lastItemId: '20' })
  })

  it('is begun anew by FULL', async () => {
    await crawled()
    const first = await startId({ mode: 'FULL' })
    await save({ sessionId: first, itemId: '95', pageToken: 'p2' })
    await fail(first)
    expect((await start({ mode: 'FULL' }))['plan']).toMatchObject({ mode: 'FULL', pageToken: null, afterItemId: null })
    expect(await checkpoint()).toMatchObject({ fullPass: true, fullPassHasItem: false })
  })

  it('is begun once by a start that is repeated under its key', async () => {
    await crawled()
    const first = await start({ mode: 'FULL', idempotencyKey: 'k' })
    expect(await start({ mode: 'FULL', idempotencyKey: 'k' })).toEqual(first)
    expect(await revisions()).toHaveLength(3)
  })

  it('of a list without a checkpoint only drops a kept token, and is no revision', async () => {
    const first = await startId()
    await save({ sessionId: first, itemId: null, pageToken: 'p2' })
    await fail(first)
    expect(await plan()).toMatchObject({ mode: 'FULL', pageToken: 'p2' })
    expect((await start({ mode: 'FULL' }))['plan']).toMatchObject({ mode: 'FULL', pageToken: null })
    expect(await revisions()).toEqual([])
  })

  it('is restored by a rollback, with what it had', async () => {
    await crawled()
    const sessionId = await startId({ mode: 'FULL' })
    await save({ sessionId, itemId: '95', pageToken: 'p2' })
    await complete(sessionId)
    const roll = (toVersion: number) => run('rollbackCheckpoint', { userId: crawls.userId, stream: STREAM, toVersion })
    await roll(3)
    expect(await plan()).toMatchObject({ mode: 'FULL', untilItemIds: [] })
    await roll(4)
    expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '95', pageToken: 'p2', untilItemIds: [] })
    const history = await crawls.waymark.ask(
      'query ($u: String!) { checkpointHistory(userId: $u) { nodes { version fullPass fullPassHasItem source } } }',
      { u: crawls.userId },
    )
    expect(history.checkpointHistory.nodes.slice(-3)).toEqual([
      { version: 3, fullPass: true, fullPassHasItem: false, source: 'RESTART' },
      { version: 2, fullPass: false, fullPassHasItem: false, source: 'COMPLETE' },
      { version: 1, fullPass: false, fullPassHasItem: false, source: 'SAVE' },
    ])
  })

  it('has its first item from another SQL client that moves the position', async () => {
    await crawled()
    await start({ mode: 'FULL' })
    const write = (columns: string) =>
      crawls.waymark.database.query(`UPDATE crawler.crawl_checkpoint SET ${columns} WHERE user_id = $1`, [
        crawls.userId,
      ])
    await write('bookmarks_count = bookmarks_count + 1')
    expect(await plan()).toMatchObject({ mode: 'FULL' })
    await write(`last_tweet_id = '95'`)
    expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '95', untilItemIds: [] })
  })

  it('is ended by a clear', async () => {
    await crawled()
    const sessionId = await startId({ mode: 'FULL' })
    await run('clearCheckpoint', { userId: crawls.userId, sessionId })
    expect((await save({ sessionId, itemId: '20' }))['checkpoint']).toMatchObject({ fullPass: false, version: 5 })
  })

  it('begins anywhere in a list that must ascend', async () => {
    const stream = 'reddit/ascending'
    await crawls.waymark.ask(
      'mutation { configureStream(input: { name: "reddit/ascending", ordering: ASCENDING }) { __typename } }',
    )
    const of = { stream, userId: crawls.userId }
    const first = await startId(of)
    await save({ ...of, sessionId: first, itemId: 't3_zz' })
    await complete(first)
    const again = await start({ ...of, mode: 'FULL' })
    const sessionId = again['session'].sessionId
    expect(again['plan']).toMatchObject({ mode: 'FULL', afterItemId: null })
    expect(await save({ ...of, sessionId, itemId: 't3_a' })).toMatchObject({ __typename: 'SaveCheckpointSuccess' })
    expect((await save({ ...of, sessionId, itemId: 't3_9' })).code).toBe('ORDER_VIOLATION')
  })
})

describe('the plan of a list that comes oldest first', () => {
  const crawls = setUpCrawls()
  it('is FULL without a checkpoint, else RESUME after its last item to the end, also when it is complete', async () => {
    const stream = 'reddit/oldest-first'
    await crawls.waymark.ask(
      'mutation { configureStream(input: { name: "reddit/oldest-first", ordering: ASCENDING }) { __typename } }',
    )
    const of = { stream, userId: crawls.userId }
    const planOf = async () =>
      (
        await crawls.waymark.ask(
          'query ($u: String!, $s: String!) { resumePlan(userId: $u, stream: $s) { mode afterItemId untilItemIds reason } }',
          { u: crawls.userId, s: stream },
        )
      ).resumePlan
    expect(await planOf()).toMatchObject({ mode: 'FULL', untilItemIds: [] })
    const sessionId = await crawls.startId(of)
    await crawls.save({ ...of, sessionId, itemId: 't3_c', headItemIds: ['t3_c', 't3_b', 't3_a'] })
    await crawls.run('completeSession', { sessionId })
    const asked = await planOf()
    expect(asked).toMatchObject({ mode: 'RESUME', afterItemId: 't3_c', untilItemIds: [] })
    expect(asked.reason).toMatch(/to the end, since the stream is ASCENDING$/)
    expect((await crawls.start({ ...of, mode: 'CATCH_UP' }))['plan']).toMatchObject({ mode: 'RESUME' })
  })
})
