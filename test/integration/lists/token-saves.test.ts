import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const STREAM = 'twitter/bookmarks'
const HEAD = ['90', '80', '70']

describe('a save without an item', () => {
  const crawls = setUpCrawls()
  const { run, plan, checkpoint, revisions, startId, save } = crawls
  const complete = (sessionId: string) => run('completeSession', { sessionId })
  const fail = (sessionId: string) => run('failSession', { sessionId, errorMessage: 'HTTP 503' })
  const events = () =>
    crawls.waymark.database.query(`SELECT 1 FROM crawler.feed_event WHERE user_id = $1 AND version IS NOT NULL`, [
      crawls.userId,
    ])

  describe('where there is no checkpoint', () => {
    it('keeps the token, without a row, a version, a revision or an event', async () => {
      const sessionId = await startId()
      const saved = await save({ sessionId, itemId: null, pageToken: 'p2' })
      expect(saved).toMatchObject({ __typename: 'TokenSavedSuccess', replayed: false, stopRequested: false })
      expect(saved['token']).toMatchObject({ sessionId, commits: 1 })
      expect([await checkpoint(), await revisions(), await events()]).toEqual([null, [], []])
      await fail(sessionId)
      const asked = await plan()
      expect(asked).toMatchObject({ mode: 'FULL', pageToken: 'p2', afterItemId: null, untilItemIds: [] })
      expect(asked.reason).toMatch(/left none; a page token is kept, so carry on from that page to the end$/)
    })

    it('is answered again under its key', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: null, pageToken: 'p2', idempotencyKey: '1' })
      await save({ sessionId, itemId: null, pageToken: 'p3', idempotencyKey: '2' })
      const again = await save({ sessionId, itemId: null, pageToken: 'p2', idempotencyKey: '1' })
      expect(again).toMatchObject({ __typename: 'TokenSavedSuccess', replayed: true, token: { commits: 2 } })
      expect(await plan()).toMatchObject({ pageToken: 'p3' })
    })

    it('is followed by the first item, whose session may tell the head', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: null, pageToken: 'p2' })
      const first = await save({ sessionId, itemId: '80', pageToken: 'p3', headItemIds: HEAD })
      expect(first).toMatchObject({ created: true, checkpoint: { version: 1, headItemIds: HEAD, pageToken: 'p3' } })
    })

    const drops = {
      'a clear': () => run('clearCheckpoint', { userId: crawls.userId }),
      'the end of the list': async () => {
        await complete(await startId())
      },
    }
    it.each(Object.entries(drops))('keeps the token until %s', async (_what, drop) => {
      const sessionId = await startId()
      await save({ sessionId, itemId: null, pageToken: 'p2' })
      await fail(sessionId)
      await drop()
      expect(await plan()).toMatchObject({ mode: 'FULL', pageToken: null })
    })

    it('keeps the token until a rollback to a clear', async () => {
      await save({ itemId: '20' })
      await run('clearCheckpoint', { userId: crawls.userId })
      const sessionId = await startId()
      await save({ sessionId, itemId: null, pageToken: 'p2' })
      await fail(sessionId)
      await run('rollbackCheckpoint', { userId: crawls.userId, stream: STREAM, toVersion: 2 })
      expect(await plan()).toMatchObject({ mode: 'FULL', pageToken: null })
    })
  })

  it('of an unfinished crawl moves the token alone', async () => {
    const sessionId = await startId()
    await save({ sessionId, itemId: '60', pageToken: 'p2', headItemIds: HEAD, bookmarksAdded: 3 })
    const saved = await save({ sessionId, itemId: null, pageToken: 'p3', bookmarksAdded: 0 })
    expect(saved).toMatchObject({ __typename: 'SaveCheckpointSuccess', created: false })
    expect(saved['checkpoint']).toMatchObject({
      ...{ lastItemId: '60', pageToken: 'p3', version: 2, bookmarksCount: 3, headItemIds: HEAD },
    })
    expect((await revisions()).at(-1)).toMatchObject({ source: 'SAVE', last_item_id: '60' })
    expect(await events()).toHaveLength(2)
    await fail(sessionId)
    expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '60', pageToken: 'p3' })
  })

  it('of a complete one keeps it complete, and the end of the session drops the token', async () => {
    const first = await startId()
    await save({ sessionId: first, itemId: '60', headItemIds: HEAD })
    await complete(first)
    const sessionId = await startId()
    expect(await save({ sessionId, itemId: null, pageToken: 'p2' })).toMatchObject({
      checkpoint: { complete: true, pageToken: 'p2', version: 3, anchorItemIds: HEAD },
    })
    expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', pageToken: null, afterItemId: null, untilItemIds: HEAD })
    await complete(sessionId)
    expect(await checkpoint()).toMatchObject({ complete: true, pageToken: null, version: 4, anchorItemIds: HEAD })
    expect((await revisions()).at(-1)).toMatchObject({ source: 'COMPLETE' })
  })

  it('before the first new item of an incremental crawl leaves the head to that item’s session', async () => {
    const first = await startId()
    await save({ sessionId: first, itemId: '60', headItemIds: HEAD })
    await complete(first)
    const sessionId = await startId()
    await save({ sessionId, itemId: null, pageToken: 'p2' })
    const saved = await save({ sessionId, itemId: '99', headItemIds: ['99', '98', '97'] })
    expect(saved['checkpoint']).toMatchObject({ complete: false, headItemIds: ['99', '98', '97'] })
  })

  it.each([
    ['without a session', { pageToken: 'p2' }, 'itemId'],
    ['without a token', { sessionId: 'SESSION' }, 'itemId'],
    ['with items that were added', { sessionId: 'SESSION', pageToken: 'p2', bookmarksAdded: 1 }, 'bookmarksAdded'],
    ['with a total', { sessionId: 'SESSION', pageToken: 'p2', bookmarksCount: 7 }, 'bookmarksCount'],
    ['with a head', { sessionId: 'SESSION', pageToken: 'p2', headItemIds: HEAD }, 'headItemIds'],
  ])('is INVALID_INPUT %s', async (_what, input, field) => {
    const sessionId = await startId()
    const sent = { ...input, ...('sessionId' in input ? { sessionId } : {}) }
    expect(await save({ itemId: null, ...sent })).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: ['input', field] }],
    })
  })

  it('is refused to a session that has lost its list', async () => {
    const sessionId = await startId()
    await startId({ takeover: true })
    expect((await save({ sessionId, itemId: null, pageToken: 'p2' })).code).toBe('STALE_EPOCH')
  })

  it('counts as progress', async () => {
    const sessionId = await startId({ leaseSeconds: 5 })
    for (let page = 1; page <= 8; page += 1) {
      await crawls.clock.advance(4)
      await save({ sessionId, itemId: null, pageToken: `p${page}` })
    }
    expect(await crawls.session(sessionId)).toMatchObject({ stalled: false, commits: 8 })
  })
})
