import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../../src/errors/fault.ts'
import { createWorld, principalOf } from '../access/worlds.ts'
import { mutate } from '../../support/waymark.ts'
import { type Lists, PAUSED_UNTIL, startLists } from './lists.ts'

const STREAM = 'twitter/bookmarks'

describe('moveCheckpoint', () => {
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

  const move = (input: Record<string, unknown> = { stream: STREAM }) =>
    lists.run('moveCheckpoint', { fromUserId: from, toUserId: to, ...input })
  const save = (userId: string, input: Record<string, unknown> = {}) =>
    lists.run('saveCheckpoint', { userId, itemId: '20', bookmarksAdded: 1, ...input })
  const startId = async (userId: string, input: Record<string, unknown> = {}) =>
    (await lists.run('startSession', { userId, ...input }))['session'].sessionId as string
  const rows = <Row extends Record<string, unknown>>(sql: string, values: unknown[] = [from, to]) =>
    lists.waymark.database.query<Row>(sql, values)
  const epochs = async () =>
    (
      await rows<{ epoch: number }>(
        'SELECT epoch FROM unnest($1::text[]) AS u (id) LEFT JOIN crawler.crawl_state s ON s.user_id = u.id ORDER BY u.id',
        [[from, to]],
      )
    ).map(({ epoch }) => epoch)

  it('takes the whole state along: position, count, times, token, head, anchors and the catch-up', async () => {
    await lists.fillList(from)
    const [before, old] = [await lists.carried(from), await lists.checkpoint(from)]
    expect(before).toMatchObject({
      ...{ lastItemId: '60', bookmarksCount: 9, pageToken: 'older', complete: false, fullPass: false },
      ...{ headItemIds: ['60', '59', '58'], anchorItemIds: ['30', '29', '28'] },
      ...{ lastCompletedAt: expect.any(String), catchUp: { lastItemId: '80', pageToken: 'newer' } },
    })
    await lists.clock.advance(10)
    const moved = await move()
    expect(moved).toMatchObject({
      __typename: 'MoveCheckpointSuccess',
      moved: [{ previousNodeId: old?.['id'], checkpoint: { userId: to, epoch: 0, liveSession: null, ...before } }],
    })
    expect(await lists.carried(to)).toEqual(before)
    expect(await lists.checkpoint(from)).toBeNull()
    // The lists are copies, which the retention of the old user's does not touch.
    await rows('DELETE FROM crawler.checkpoint_revision WHERE user_id = $1', [from])
    await rows('DELETE FROM crawler.item_list WHERE user_id = $1', [from])
    expect(await lists.carried(to)).toEqual(before)
  })

  it.each([
    ['a full pass without an item', () => startId(from, { mode: 'FULL' }), { fullPass: true }],
    [
      'a full pass with one',
      async () => save(from, { sessionId: await startId(from, { mode: 'FULL' }), itemId: '40', pageToken: 't' }),
      { fullPass: true, fullPassHasItem: true, lastItemId: '40' },
    ],
    [
      'a complete checkpoint',
      async () => mutate(lists.waymark, 'completeSession', { sessionId: await startId(from) }),
      { complete: true, catchUp: null, headItemIds: [] },
    ],
  ])('takes %s along, and the order of its items', async (_what, make, expected) => {
    await lists.fillList(from)
    await make()
    await rows(
      `UPDATE crawler.crawl_session SET status = 'stopped', completed_at = now() WHERE user_id = $1 AND status = 'running'`,
      [from],
    )
    const before = await lists.carried(from)
    const state = () =>
      rows(
        'SELECT order_key, last_started_at FROM crawler.crawl_state WHERE version > 0 AND order_key IS NOT NULL AND user_id = ANY ($1)',
        [[from, to]],
      )
    const [kept] = await state()
    expect(before).toMatchObject(expected)
    expect(await move()).toMatchObject({ moved: [{ checkpoint: before }] })
    expect(await lists.carried(to)).toEqual(before)
    expect(await state()).toEqual([kept])
  })

  it('ends the old history with MOVE, and goes on above both versions at the new key', async () => {
    for (const itemId of ['21', '22', '23']) await save(from, { itemId })
    await save(to)
    await mutate(lists.waymark, 'clearCheckpoint', { userId: to })
    expect(await move()).toMatchObject({ moved: [{ checkpoint: { version: 4, bookmarksCount: 3 } }] })
    expect(await lists.history(from)).toEqual([
      [4, 'MOVE', null, 0],
      [3, 'SAVE', '23', 3],
      [2, 'SAVE', '22', 2],
      [1, 'SAVE', '21', 1],
    ])
    expect(await lists.history(to)).toEqual([
      [4, 'MOVE', '23', 3],
      [2, 'CLEAR', null, 0],
      [1, 'SAVE', '20', 1],
    ])
    // The other way round: the new key was ahead.
    ;[from, to] = [to, from]
    await save(from, { itemId: '24' })
    expect(await move()).toMatchObject({ moved: [{ checkpoint: { version: 6 } }] })
    expect((await lists.history(to)).slice(0, 2)).toEqual([
      [6, 'MOVE', '24', 4],
      [4, 'MOVE', null, 0],
    ])
    expect((await lists.history(from))[0]).toEqual([6, 'MOVE', null, 0])
    const actors = await rows(
      `SELECT DISTINCT actor, session_id, epoch FROM crawler.checkpoint_revision WHERE source = 'MOVE' AND user_id IN ($1, $2)`,
    )
    expect(actors).toEqual([{ actor: 'local', session_id: null, epoch: 0 }])
  })

  it('rolls back at both keys, but not to a version that it skipped', async () => {
    for (const itemId of ['21', '22', '23', '24']) await save(from, { itemId })
    await save(to, { itemId: '90' })
    await mutate(lists.waymark, 'clearCheckpoint', { userId: to })
    await move()
    const rollback = (userId: string, toVersion: number) =>
      lists.run('rollbackCheckpoint', { userId, stream: STREAM, toVersion })
    for (const skipped of [3, 4]) {
      expect(await rollback(to, skipped)).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [
          {
            path: ['input', 'toVersion'],
            message: expect.stringMatching(/a move to this user skipped it\. The next one is 5/),
          },
        ],
      })
    }
    expect(await rollback(to, 6)).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ message: expect.stringMatching(/ahead/) }],
    })
    expect(await rollback(to, 1)).toMatchObject({ checkpoint: { userId: to, lastItemId: '90', version: 6 } })
    expect(await rollback(to, 2)).toMatchObject({ checkpoint: null, revision: { version: 7 } })
    expect(await rollback(to, 5)).toMatchObject({ checkpoint: { lastItemId: '24', bookmarksCount: 4, version: 8 } })
    // The old list comes back whole, beside the new one.
    expect(await rollback(from, 4)).toMatchObject({ checkpoint: { userId: from, lastItemId: '24', version: 6 } })
    expect(await rollback(from, 5)).toMatchObject({ checkpoint: null })
  })

  it('tells a skipped version from one past the retention, and a time before the first from both', async () => {
    await save(from, { itemId: '21' })
    await save(from, { itemId: '22' })
    await move()
    await save(to, { itemId: '23' })
    const rollback = (target: Record<string, unknown>) =>
      lists.run('rollbackCheckpoint', { userId: to, stream: STREAM, ...target })
    expect(await rollback({ toVersion: 1 })).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await rollback({ toTime: '2020-01-01T00:00:00Z' })).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: ['input', 'toTime'] }],
    })
    await rows('DELETE FROM crawler.checkpoint_revision WHERE user_id = $1 AND version = 3', [to])
    expect(await rollback({ toVersion: 2 })).toMatchObject({ code: 'HISTORY_EXPIRED' })
    expect(await rollback({ toVersion: 3 })).toMatchObject({ code: 'HISTORY_EXPIRED' })
    expect(await rollback({ toTime: '2020-01-01T00:00:00Z' })).toMatchObject({ code: 'HISTORY_EXPIRED' })
  })

  it('tells the feeds: CLEARED of the old key, then SAVED of the new one', async () => {
    await save(from, { itemId: '21', bookmarksAdded: 7 })
    const { checkpoints } = await lists.waymark.ask('{ checkpoints { feedCursor } }')
    await move()
    const events = await rows(
      `SELECT kind, user_id, version, last_item_id, bookmarks_count, session_id FROM crawler.feed_event
       WHERE user_id IN ($1, $2) ORDER BY event_id OFFSET 1`,
    )
    const common = { session_id: null, version: 2 }
    expect(events).toEqual([
      { ...common, kind: 'CHECKPOINT_CLEARED', user_id: from, last_item_id: null, bookmarks_count: 0 },
      { ...common, kind: 'CHECKPOINT_SAVED', user_id: to, last_item_id: '21', bookmarks_count: 7 },
    ])
    expect(checkpoints.feedCursor).toEqual(expect.any(String))
    // What is moved is no bookmark that was added today.
    expect(
      await rows(
        'SELECT sum(bookmarks_added)::integer AS added FROM crawler.checkpoint_revision WHERE user_id IN ($1, $2)',
      ),
    ).toEqual([{ added: 7 }])
  })

  it('fences the sessions of both keys, which stay where they were', async () => {
    const [ended, silent] = [await startId(from), await startId(to)]
    await save(from, { sessionId: ended })
    await mutate(lists.waymark, 'stopSession', { sessionId: ended })
    const late = await startId(from, { leaseSeconds: 5 })
    await mutate(lists.waymark, 'stopSession', { sessionId: silent })
    const before = await epochs()
    // Its lease is over, but no reaper has looked yet.
    await rows(
      `UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '1 ms' WHERE session_id = $1`,
      [late],
    )
    expect((await move()).__typename).toBe('MoveCheckpointSuccess')
    expect(await epochs()).toEqual(before.map((epoch) => epoch + 1))
    const stale = { code: 'STALE_EPOCH', currentEpoch: 3 }
    expect(await save(from, { sessionId: late })).toMatchObject(stale)
    expect(await lists.run('heartbeat', { sessionId: late })).toMatchObject(stale)
    const sessions = await rows(
      'SELECT session_id, user_id FROM crawler.crawl_session WHERE user_id IN ($1, $2) ORDER BY started_at',
    )
    expect(sessions).toEqual([
      { session_id: ended, user_id: from },
      { session_id: silent, user_id: to },
      { session_id: late, user_id: from },
    ])
    expect(await lists.run('startSession', { userId: to })).toMatchObject({
      session: { epoch: 3, attempt: 1, resumedFrom: null },
      plan: { mode: 'RESUME', afterItemId: '20' },
    })
    expect(await lists.run('startSession', { userId: from })).toMatchObject({
      session: { attempt: 1 },
      plan: { mode: 'FULL' },
    })
  })

  it.each([
    ['the old', () => from],
    ['the new', () => to],
  ])('is STREAM_BUSY while a session owns %s list, and changes nothing', async (_which, owner) => {
    await save(from)
    const sessionId = await startId(owner())
    const before = await rows('SELECT * FROM crawler.crawl_state WHERE user_id IN ($1, $2) ORDER BY user_id')
    expect(await move()).toMatchObject({ code: 'STREAM_BUSY', owner: { sessionId } })
    expect(await move({ allStreams: true })).toMatchObject({ code: 'STREAM_BUSY', owner: { sessionId } })
    expect(await move({ stream: STREAM, dryRun: true })).toMatchObject({ code: 'STREAM_BUSY' })
    expect(await rows('SELECT * FROM crawler.crawl_state WHERE user_id IN ($1, $2) ORDER BY user_id')).toEqual(before)
    await mutate(lists.waymark, 'stopSession', { sessionId })
    expect((await move()).__typename).toBe('MoveCheckpointSuccess')
  })

  it('is CHECKPOINT_EXISTS with it where the new user has one, before STREAM_BUSY', async () => {
    await save(from)
    await save(to, { itemId: '90', bookmarksAdded: 4 })
    await startId(from)
    for (const what of [{ stream: STREAM }, { allStreams: true }, { stream: STREAM, dryRun: true }]) {
      expect(await move(what)).toMatchObject({
        code: 'CHECKPOINT_EXISTS',
        message: expect.stringContaining('clearCheckpoint'),
        checkpoint: { userId: to, stream: STREAM, lastItemId: '90', bookmarksCount: 4, version: 1 },
      })
    }
    expect(await lists.history(from)).toHaveLength(1)
  })

  it('is CHECKPOINT_NOT_FOUND where there is nothing to move: never, cleared, moved already, or only a pause and a kept token', async () => {
    const missing = { code: 'CHECKPOINT_NOT_FOUND' }
    for (const what of [{ stream: STREAM }, { allStreams: true }]) expect(await move(what)).toMatchObject(missing)
    await save(from)
    await mutate(lists.waymark, 'clearCheckpoint', { userId: from })
    expect(await move()).toMatchObject(missing)
    const sessionId = await startId(from)
    await lists.waymark.ask(
      'mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename ... on TokenSavedSuccess { replayed } } }',
      { input: { userId: from, sessionId, pageToken: 'kept' } },
    )
    await mutate(lists.waymark, 'stopSession', { sessionId })
    await lists.pause(from, PAUSED_UNTIL)
    for (const what of [{ stream: STREAM }, { allStreams: true }]) expect(await move(what)).toMatchObject(missing)
    expect(await lists.pauseOf(from)).toBeDefined()
    await save(from)
    await move()
    expect(await move()).toMatchObject(missing)
    // Nothing was made for a user to whom nothing was moved.
    expect(await rows('SELECT FROM crawler.crawl_state WHERE user_id = $1', [await lists.user()])).toEqual([])
  })

  it.each([
    ['only the old list is paused', ['2030-05-05'], [], '2030-05-05'],
    ['only the new one is', [], ['2030-05-05'], '2030-05-05'],
    ['the old one longer', ['2030-06-06'], ['2030-05-05'], '2030-06-06'],
    ['the new one longer', ['2030-05-05'], ['2030-06-06'], '2030-06-06'],
  ])('leaves the later pause where %s', async (_which, old, present, standing) => {
    await save(from)
    for (const until of old) await lists.pause(from, until, STREAM, `until ${until}`)
    for (const until of present) await lists.pause(to, until, STREAM, `until ${until}`)
    expect((await move()).__typename).toBe('MoveCheckpointSuccess')
    expect(await lists.pauseOf(from)).toBeUndefined()
    expect(await lists.pauseOf(to)).toEqual([`${standing}T00:00:00.000Z`, `until ${standing}`, 'operator'])
    expect(await lists.run('startSession', { userId: to })).toMatchObject({ code: 'STREAM_PAUSED' })
    expect((await lists.run('startSession', { userId: from })).__typename).toBe('StartSessionSuccess')
  })

  it('replaces a token that was kept for the new user', async () => {
    await save(from, { pageToken: undefined })
    const sessionId = await startId(to)
    await lists.run('saveCheckpoint', { userId: to, sessionId, pageToken: 'kept', idempotencyKey: 'k' })
    await mutate(lists.waymark, 'stopSession', { sessionId })
    await move()
    expect(await lists.checkpoint(to)).toMatchObject({ pageToken: null, lastItemId: '20' })
    // Nor is the save under its key replayed.
    expect(
      await lists.run('saveCheckpoint', { userId: to, sessionId, pageToken: 'kept', idempotencyKey: 'k' }),
    ).toMatchObject({
      code: 'STALE_EPOCH',
    })
  })

  it('forgets the idempotency keys of the old list: what it undid is not replayed', async () => {
    await save(from, { bookmarksAdded: 5, idempotencyKey: 'k' })
    await move()
    expect(await save(from, { bookmarksAdded: 5, idempotencyKey: 'k' })).toMatchObject({
      replayed: false,
      checkpoint: { version: 3, bookmarksCount: 5 },
    })
    expect(await save(to, { bookmarksAdded: 5, idempotencyKey: 'k' })).toMatchObject({
      replayed: false,
      checkpoint: { bookmarksCount: 10 },
    })
  })

  it('tells in a dry run what would be, and writes nothing', async () => {
    await lists.fillList(from)
    await lists.pause(from, PAUSED_UNTIL)
    const everything = async () => [
      await rows('SELECT * FROM crawler.crawl_checkpoint WHERE user_id IN ($1, $2)'),
      await rows('SELECT * FROM crawler.crawl_state WHERE user_id IN ($1, $2)'),
      await rows('SELECT * FROM crawler.crawl_pause WHERE user_id IN ($1, $2)'),
      await rows('SELECT * FROM crawler.item_list WHERE user_id IN ($1, $2) ORDER BY list_id'),
      await rows('SELECT * FROM crawler.feed_event WHERE user_id IN ($1, $2) ORDER BY event_id'),
    ]
    const [before, state] = [await everything(), await lists.checkpoint(from)]
    const dry = await move({ stream: STREAM, dryRun: true })
    expect(dry).toMatchObject({
      moved: [
        {
          previousNodeId: state?.['id'],
          checkpoint: { userId: to, version: Number(state?.['version']) + 1, ...(await lists.carried(from)) },
        },
      ],
    })
    expect(await everything()).toEqual(before)
    expect(await move()).toEqual(dry)
  })

  it('moves all streams in one go, or none', async () => {
    const streams = ['reddit/saved', STREAM, 'youtube/PLx', 'youtube/plx']
    const items = ['t3_a', '20', 'aN46pEO_jX8', 'bN46pEO_jX8']
    for (const [place, stream] of streams.entries()) await save(from, { stream, itemId: items[place] })
    await save(to, { stream: 'youtube/plx', itemId: 'cN46pEO_jX8' })
    expect(await move({ allStreams: true })).toMatchObject({
      code: 'CHECKPOINT_EXISTS',
      checkpoint: { stream: 'youtube/plx' },
    })
    expect(await rows('SELECT FROM crawler.crawl_checkpoint WHERE user_id = $1', [from])).toHaveLength(4)
    await mutate(lists.waymark, 'clearCheckpoint', { userId: to, stream: 'youtube/plx' })
    const dry = await move({ allStreams: true, dryRun: true })
    const moved = await move({ allStreams: true })
    expect(moved).toEqual(dry)
    expect(
      moved['moved'].map((it: Record<string, any>) => [it['checkpoint'].stream, it['checkpoint'].lastItemId]),
    ).toEqual(streams.map((stream, place) => [stream, items[place]]))
    expect(await rows('SELECT FROM crawler.crawl_checkpoint WHERE user_id = $1', [from])).toEqual([])
    // The literal table, as any SQL client reads it.
    expect(await rows('SELECT last_tweet_id FROM crawler.twitter_crawl_checkpoint WHERE user_id = $1', [to])).toEqual([
      { last_tweet_id: '20' },
    ])
  })

  it.each([
    ['neither stream nor allStreams', {}, ['stream']],
    ['both', { stream: STREAM, allStreams: true }, ['stream']],
    ['allStreams: false alone', { allStreams: false }, ['stream']],
    ['nulls', { stream: null, allStreams: null }, ['stream']],
    ['a stream that is none', { stream: 'Twitter/bookmarks' }, ['stream']],
    ['no user', { stream: STREAM, fromUserId: '' }, ['fromUserId']],
    ['a global id', { stream: STREAM, toUserId: Buffer.from('User:ada').toString('base64') }, ['toUserId']],
  ])('is INVALID_INPUT with %s', async (_what, input, path) => {
    await save(from)
    expect(await move(input)).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['input', ...path] }] })
    expect(await lists.history(from)).toHaveLength(1)
  })

  it('is INVALID_INPUT from a user to the same, known or not, with every other wrong value', async () => {
    await save(from)
    for (const userId of [from, 'nobody']) {
      expect(await move({ stream: STREAM, fromUserId: userId, toUserId: userId })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'toUserId'] }],
      })
    }
    const { issues } = await move({ fromUserId: '', toUserId: '' })
    expect(issues?.map(({ path }) => path[1])).toEqual(['fromUserId', 'toUserId', 'stream', 'toUserId'])
  })

  it('is USER_NOT_FOUND for a user who is unknown, and names that one', async () => {
    await save(from)
    expect(await move({ stream: STREAM, toUserId: 'nobody' })).toMatchObject({
      code: 'USER_NOT_FOUND',
      message: expect.stringContaining('nobody'),
    })
    expect(await move({ stream: STREAM, fromUserId: 'nobody-2' })).toMatchObject({
      code: 'USER_NOT_FOUND',
      message: expect.stringContaining('nobody-2'),
    })
    expect(await lists.history(from)).toHaveLength(1)
  })
})

describe('moveCheckpoint by a caller', () => {
  it('needs the scope operate, and both users in reach', async () => {
    await using world = await createWorld()
    await world.database.query(`INSERT INTO public."user" VALUES ('ann'), ('bob'), ('eve')`)
    for (const userId of ['ann', 'eve']) {
      await world.database.query('INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, $2)', [
        userId,
        '20',
      ])
    }
    const move = async (scopes: Parameters<typeof principalOf>[1], fromUserId: string, toUserId: string) => {
      const query = `mutation { result: moveCheckpoint(input: { fromUserId: "${fromUserId}", toUserId: "${toUserId}", allStreams: true }) {
        __typename ... on UserError { message } } }`
      const { data, errors } = await world.ask(principalOf('key:ours', scopes, ['ann', 'bob', 'zoe']), query)
      return errors ? (errors[0]?.originalError as Fault).code : (data?.['result'] as Record<string, unknown>)
    }
    expect(await move(['read', 'crawl'], 'ann', 'bob')).toBe('FORBIDDEN')
    const unknown = (userId: string) => ({ __typename: 'UserNotFoundError', message: expect.stringContaining(userId) })
    expect(await move(['operate'], 'ann', 'eve')).toEqual(unknown('eve'))
    expect(await move(['operate'], 'eve', 'bob')).toEqual(unknown('eve'))
    // Word for word as for one that does not exist.
    const nobody = (await move(['operate'], 'ann', 'nil')) as Record<string, string>
    const theirs = (await move(['operate'], 'ann', 'eve')) as Record<string, string>
    expect(theirs['message']).toBe(nobody['message']?.replace('nil', 'eve'))
    expect(await move(['operate'], 'ann', 'zoe')).toEqual(unknown('zoe'))
    expect(await world.database.query('SELECT user_id FROM crawler.crawl_checkpoint ORDER BY 1')).toEqual([
      { user_id: 'ann' },
      { user_id: 'eve' },
    ])
    expect(await move(['operate'], 'ann', 'bob')).toEqual({ __typename: 'MoveCheckpointSuccess' })
  })
})
