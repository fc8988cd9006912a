import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mutate } from '../../support/waymark.ts'
import { type Lists, PAUSED_UNTIL, startLists } from './lists.ts'

const STREAM = 'twitter/bookmarks'

describe('another program that changes the user_id of a checkpoint', () => {
  let lists: Lists
  let from: string
  let to: string
  beforeAll(async () => {
    lists = await startLists()
  })
  afterAll(() => lists[Symbol.asyncDispose]())
  beforeEach(async () => {
    ;[from, to] = [await lists.user(), await lists.user()]
  })

  const sql = (text: string, values: unknown[] = [from, to]) =>
    lists.waymark.database.query<Record<string, unknown>>(text, values)
  const save = (userId: string, input: Record<string, unknown> = {}) =>
    lists.run('saveCheckpoint', { userId, itemId: '20', bookmarksAdded: 1, ...input })
  const startId = async (userId: string) => (await lists.run('startSession', { userId }))['session'].sessionId as string

  it.each([
    ['crawl_checkpoint', STREAM],
    ['twitter_crawl_checkpoint', STREAM],
    ['crawl_checkpoint', 'twitter/likes'],
    ['crawl_checkpoint_other', 'twitter/likes'],
  ])('in %s of %s carries the whole state along, with the source EXTERNAL at both keys', async (table, stream) => {
    await lists.fillList(from, stream)
    await lists.pause(from, PAUSED_UNTIL, stream)
    const before = await lists.carried(from, stream)
    const events = await sql('SELECT count(*)::integer AS count FROM crawler.feed_event WHERE user_id IN ($1, $2)')
    await sql(`UPDATE crawler.${table} SET user_id = $2 WHERE user_id = $1`)
    expect(await lists.carried(to, stream)).toEqual(before)
    expect(await lists.checkpoint(to, stream)).toMatchObject({ version: 5, epoch: 0, liveSession: null })
    expect(await lists.checkpoint(from, stream)).toBeNull()
    expect(await lists.pauseOf(from, stream)).toBeUndefined()
    expect(await lists.pauseOf(to, stream)).toEqual([PAUSED_UNTIL, 'a rest', 'operator'])
    expect((await lists.history(from, stream))[0]).toEqual([5, 'EXTERNAL', null, 0])
    expect(await lists.history(to, stream)).toEqual([[5, 'EXTERNAL', '60', 9]])
    const told = await sql(
      'SELECT kind, user_id, version FROM crawler.feed_event WHERE user_id IN ($1, $2) ORDER BY event_id OFFSET $3',
      [from, to, events[0]?.['count']],
    )
    expect(told).toEqual([
      { kind: 'CHECKPOINT_CLEARED', user_id: from, version: 5 },
      { kind: 'CHECKPOINT_SAVED', user_id: to, version: 5 },
    ])
    expect(await lists.run('rollbackCheckpoint', { userId: to, stream, toVersion: 2 })).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ message: expect.stringMatching(/skipped/) }],
    })
    expect(await lists.run('rollbackCheckpoint', { userId: from, stream, toVersion: 4 })).toMatchObject({
      checkpoint: { userId: from, lastItemId: '60', pageToken: 'older' },
    })
  })

  it('does so under live sessions of both keys, which get STALE_EPOCH and own nothing any more', async () => {
    await save(from)
    const [old, present] = [await startId(from), await startId(to)]
    await save(from, { sessionId: old, itemId: '30', pageToken: 'p', headItemIds: ['32', '31', '30'] })
    const before = await lists.carried(from)
    await sql('UPDATE crawler.twitter_crawl_checkpoint SET user_id = $2 WHERE user_id = $1')
    expect(await lists.carried(to)).toEqual(before)
    for (const [userId, sessionId] of [
      [from, old],
      [to, present],
    ] as const) {
      const stale = { code: 'STALE_EPOCH', currentEpoch: 2 }
      expect(await save(userId, { sessionId })).toMatchObject(stale)
      expect(await lists.run('heartbeat', { sessionId })).toMatchObject(stale)
      expect(await mutate(lists.waymark, 'completeSession', { sessionId })).toMatchObject({ code: 'STALE_EPOCH' })
    }
    expect(await lists.run('startSession', { userId: to })).toMatchObject({
      session: { epoch: 3 },
      plan: { mode: 'RESUME', afterItemId: '30', pageToken: 'p' },
    })
    expect(await lists.run('startSession', { userId: from })).toMatchObject({
      session: { epoch: 3 },
      plan: { mode: 'FULL' },
    })
  })

  it('also moves the position where the same statement writes one: its token is no longer there, its anchors are', async () => {
    await lists.fillList(from)
    await sql(
      `UPDATE crawler.crawl_checkpoint SET user_id = $2, last_tweet_id = '55', bookmarks_count = 12 WHERE user_id = $1`,
    )
    expect(await lists.checkpoint(to)).toMatchObject({
      ...{ version: 5, lastItemId: '55', bookmarksCount: 12, pageToken: null, complete: false },
      ...{ headItemIds: ['60', '59', '58'], anchorItemIds: ['30', '29', '28'], catchUp: { lastItemId: '80' } },
    })
    expect(await lists.history(to)).toEqual([[5, 'EXTERNAL', '55', 12]])
    const [added] = await sql('SELECT bookmarks_added FROM crawler.checkpoint_revision WHERE user_id = $1', [to])
    expect(added).toEqual({ bookmarks_added: 3 })
  })

  it('keeps complete what was complete', async () => {
    const sessionId = await startId(from)
    await save(from, { sessionId, headItemIds: ['20', '19', '18'] })
    await mutate(lists.waymark, 'completeSession', { sessionId })
    const before = await lists.carried(from)
    expect(before).toMatchObject({ complete: true, anchorItemIds: ['20', '19', '18'] })
    await sql('UPDATE crawler.crawl_checkpoint SET user_id = $2 WHERE user_id = $1')
    expect(await lists.carried(to)).toEqual(before)
    expect(await lists.run('startSession', { userId: to })).toMatchObject({
      plan: { mode: 'INCREMENTAL', untilItemIds: ['20', '19', '18'] },
    })
  })

  it('carries each of many lists along, in one statement', async () => {
    await lists.fillList(from)
    await lists.fillList(from, 'twitter/likes')
    const before = [await lists.carried(from), await lists.carried(from, 'twitter/likes')]
    await sql('UPDATE crawler.crawl_checkpoint SET user_id = $2 WHERE user_id = $1')
    expect([await lists.carried(to), await lists.carried(to, 'twitter/likes')]).toEqual(before)
  })

  it('fails where the new key has a checkpoint, and nothing has changed', async () => {
    await lists.fillList(from)
    await save(to)
    const before = [await lists.checkpoint(from), await lists.checkpoint(to)]
    await expect(sql('UPDATE crawler.crawl_checkpoint SET user_id = $2 WHERE user_id = $1')).rejects.toThrow(/unique/)
    expect([await lists.checkpoint(from), await lists.checkpoint(to)]).toEqual(before)
  })

  it('that changes the stream as well, or only the stream, clears the old list and begins the new one', async () => {
    for (const [set, userId, stream] of [
      [`stream = 'twitter/likes'`, from, 'twitter/likes'],
      [`stream = 'reddit/saved', user_id = $2, last_tweet_id = 't3_a'`, to, 'reddit/saved'],
    ] as const) {
      await lists.fillList(from)
      await sql(`UPDATE crawler.crawl_checkpoint SET ${set} WHERE user_id = $1 AND $2 <> '' AND stream = '${STREAM}'`)
      expect(await lists.checkpoint(userId, stream)).toMatchObject({
        ...{ version: 1, bookmarksCount: 9, pageToken: null, headItemIds: [], anchorItemIds: [], catchUp: null },
        lastCompletedAt: null,
      })
      expect((await lists.history(from))[0]).toEqual([expect.any(Number), 'EXTERNAL', null, 0])
    }
  })

  it('and a cascade that renames the user does the same', async () => {
    await lists.fillList(from)
    const before = await lists.carried(from)
    const renamed = `${from}-renamed`
    // As an adopted database may have it. The last test of this database.
    await sql(
      `ALTER TABLE crawler.crawl_checkpoint DROP CONSTRAINT crawl_checkpoint_user_id_fkey, ADD CONSTRAINT renames
       FOREIGN KEY (user_id) REFERENCES public."user" (id) ON UPDATE CASCADE`,
      [],
    )
    await sql('DELETE FROM crawler.crawl_session WHERE user_id = $1', [from])
    await sql('UPDATE public."user" SET id = $2 WHERE id = $1', [from, renamed])
    expect(await lists.carried(renamed)).toEqual(before)
  })
})
