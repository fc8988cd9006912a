import { isInputObjectType } from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { setUpCrawls } from '../../support/crawls.ts'

describe('a save', () => {
  const crawls = setUpCrawls()
  const { run, startId: start, save, saveAll, revisions } = crawls

  it('raises the version where something changed, and only then', async () => {
    const version = async (input: Record<string, unknown>) => (await save(input))['checkpoint'].version as number
    expect(await version({})).toBe(1)
    expect(await version({})).toBe(1)
    expect(await version({ crawledAt: '2026-01-02T03:04:05.000Z' })).toBe(1)
    expect(await version({ itemId: '21' })).toBe(2)
    expect(await version({ itemId: '21', bookmarksCount: 5 })).toBe(3)
    expect(await version({ itemId: '21', pageToken: 'p' })).toBe(4)
    expect(await version({ itemId: '21', pageToken: 'p' })).toBe(4)
    expect(await version({ itemId: '21' })).toBe(5)
    expect(await revisions()).toHaveLength(5)
  })

  it('writes its revision with who, which session and which epoch', async () => {
    const sessionId = await start()
    await save({ sessionId, bookmarksAdded: 3 })
    expect(await revisions()).toEqual([
      {
        version: 1,
        source: 'SAVE',
        actor: 'local',
        last_item_id: '20',
        bookmarks_count: 3,
        session_id: sessionId,
        epoch: 1,
      },
    ])
  })

  it('keeps token and head, and tells when the item was published', async () => {
    const sessionId = await start()
    const saved = await save({ sessionId, itemId: '2107472788858387122', pageToken: 'next', headItemIds: ['30', '29'] })
    expect(saved['checkpoint']).toMatchObject({
      epoch: 1,
      pageToken: 'next',
      headItemIds: ['30', '29'],
      anchorItemIds: [],
      complete: false,
      lastItemPublishedAt: expect.stringMatching(/^2026-10-06T14:07:22/),
    })
    expect((await save({ sessionId }))['checkpoint']).toMatchObject({
      pageToken: null,
      headItemIds: ['30', '29'],
      lastItemPublishedAt: null,
    })
  })

  describe('with expectedVersion', () => {
    it('is written where the checkpoint is at it, else told where it is', async () => {
      expect((await save({ expectedVersion: 0 })).__typename).toBe('SaveCheckpointSuccess')
      expect(await save({ expectedVersion: 0, itemId: '21' })).toMatchObject({
        code: 'VERSION_CONFLICT',
        currentVersion: 1,
      })
      expect((await save({ expectedVersion: 1, itemId: '21' }))['checkpoint'].version).toBe(2)
      await run('clearCheckpoint', { userId: crawls.userId })
      expect(await save({ expectedVersion: 3 })).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 0 })
      expect((await save({ expectedVersion: 0 }))['checkpoint'].version).toBe(4)
    })

    it('is written for one of twenty that expect the same', async () => {
      await save()
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, place) => save({ expectedVersion: 1, itemId: String(30 + place) })),
      )
      expect(results.filter(({ __typename }) => __typename === 'SaveCheckpointSuccess')).toHaveLength(1)
      expect(await revisions()).toHaveLength(2)
    })
  })

  describe('with an idempotencyKey', () => {
    it('is written once; a repeat answers the same, and writes nothing', async () => {
      const sessionId = await start()
      const input = { sessionId, bookmarksAdded: 5, idempotencyKey: 'page-1' }
      const first = await save(input)
      expect(await save(input)).toEqual({ ...first, replayed: true })
      await save({ sessionId, itemId: '21', bookmarksAdded: 1 })
      const later = await save(input)
      // created as it was, the checkpoint as it is now.
      expect(later).toMatchObject({ created: true, checkpoint: { lastItemId: '21', bookmarksCount: 6 } })
      expect(await revisions()).toHaveLength(2)
    })

    it('is written once where twenty send it at once', async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, () => save({ bookmarksAdded: 5, idempotencyKey: 'k' })),
      )
      expect(results.every((result) => result['checkpoint'].bookmarksCount === 5)).toBe(true)
      expect(await revisions()).toHaveLength(1)
    })

    // What the key promises of each field of the input; those of the schema that are not here fail the first test below.
    const OF_THE_KEY = ['userId', 'stream', 'idempotencyKey']
    const CONTENT = {
      itemId: '21',
      bookmarksCount: 5,
      bookmarksAdded: 6,
      pageToken: 'p',
      headItemIds: ['1'],
      expectedVersion: 1,
    }
    /** Of the sending, not of what is sent: a crawler's next session may repeat a save that the last one never heard of. */
    const CIRCUMSTANCES = ['sessionId', 'crawledAt', 'metrics', 'rateLimitedUntil']

    it('knows every field of the input', () => {
      const type = schema.getType('SaveCheckpointInput')
      const fields = isInputObjectType(type) ? Object.keys(type.getFields()) : []
      expect(fields.sort()).toEqual([...OF_THE_KEY, ...Object.keys(CONTENT), ...CIRCUMSTANCES].sort())
    })

    it.each(Object.entries(CONTENT))('is INVALID_INPUT with another %s, and writes nothing', async (field, value) => {
      await save({ bookmarksAdded: 5, idempotencyKey: 'k' })
      const other = { bookmarksAdded: field === 'bookmarksCount' ? undefined : 5, [field]: value }
      expect(await save({ idempotencyKey: 'k', ...other })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'idempotencyKey'] }],
      })
      // Also where the first said it and the repeat does not.
      await save({ stream: 'twitter/likes', ...other, expectedVersion: undefined, idempotencyKey: 'k' })
      if (field !== 'expectedVersion') {
        const without = { stream: 'twitter/likes', bookmarksAdded: 5, idempotencyKey: 'k' }
        expect(await save(without)).toMatchObject({ issues: [{ path: ['input', 'idempotencyKey'] }] })
      }
      expect(await revisions()).toHaveLength(2)
    })

    it('answers the first outcome under other circumstances, and takes nothing of them', async () => {
      const sessionId = await start()
      const first = { itemId: '20', bookmarksAdded: 5, idempotencyKey: 'k' }
      const saved = await save({ ...first, sessionId })
      const before = await crawls.session(sessionId)
      const repeated = await save({
        ...first,
        sessionId,
        crawledAt: '2026-01-02T03:04:05.000Z',
        metrics: { apiRequests: 3, rateLimitHits: 1 },
        rateLimitedUntil: new Date(Date.now() + 60_000).toISOString(),
      })
      expect(saved).toMatchObject({ replayed: false })
      expect(repeated).toMatchObject({ created: true, replayed: true, checkpoint: saved['checkpoint'] })
      expect(repeated['session']).toMatchObject({ apiRequests: 0 })
      expect(await crawls.session(sessionId)).toEqual(before)
    })

    it('judges a repeat of a refusal anew', async () => {
      expect((await save({ expectedVersion: 7, idempotencyKey: 'k' })).code).toBe('VERSION_CONFLICT')
      await save({ itemId: '1' })
      expect((await save({ expectedVersion: 7, idempotencyKey: 'k' })).code).toBe('VERSION_CONFLICT')
      expect((await save({ itemId: '2', expectedVersion: 1, idempotencyKey: 'k' })).__typename).toBe(
        'SaveCheckpointSuccess',
      )
    })

    it('is of its user and stream alone, and forgotten after a day', async () => {
      await save({ idempotencyKey: 'k' })
      expect((await save({ stream: 'twitter/likes', itemId: '99', idempotencyKey: 'k' })).__typename).toBe(
        'SaveCheckpointSuccess',
      )
      await crawls.clock.advance(24 * 3600 + 1)
      expect((await save({ itemId: '21', idempotencyKey: 'k' })).__typename).toBe('SaveCheckpointSuccess')
    })

    it('neither renews a lease nor counts a commit when repeated', async () => {
      const sessionId = await start()
      await save({ sessionId, idempotencyKey: 'k' })
      const lease = () =>
        crawls.waymark.database.query(
          'SELECT lease_expires_at, commits, heartbeat_at FROM crawler.crawl_session WHERE session_id = $1',
          [sessionId],
        )
      const before = await lease()
      await crawls.clock.advance(10)
      await save({ sessionId, idempotencyKey: 'k' })
      expect(await lease()).toEqual(before)
    })

    const undoings = {
      'a clear': () => run('clearCheckpoint', { userId: crawls.userId }),
      'a rollback': () =>
        run('rollbackCheckpoint', { userId: crawls.userId, stream: 'twitter/bookmarks', toVersion: 1 }),
      'a deletion by another SQL client': () =>
        crawls.waymark.database.query('DELETE FROM crawler.crawl_checkpoint WHERE user_id = $1', [crawls.userId]),
    }
    it.each(Object.entries(undoings))('is judged anew where %s has undone its save', async (_what, undo) => {
      await save({ itemId: '10', bookmarksAdded: 1 })
      const keyed = { itemId: '20', bookmarksAdded: 5, idempotencyKey: 'k' }
      await save(keyed)
      await undo()
      const again = await save(keyed)
      expect(again).toMatchObject({ __typename: 'SaveCheckpointSuccess', replayed: false })
      expect(again['checkpoint']).toMatchObject({ lastItemId: '20' })
      expect(await save(keyed)).toMatchObject({ replayed: true, checkpoint: again['checkpoint'] })
    })

    it('is replayed where a rollback kept its save', async () => {
      const keyed = { itemId: '20', bookmarksAdded: 5, idempotencyKey: 'k' }
      await save(keyed)
      await save({ itemId: '30', bookmarksAdded: 1 })
      await run('rollbackCheckpoint', { userId: crawls.userId, stream: 'twitter/bookmarks', toVersion: 1 })
      expect(await save(keyed)).toMatchObject({ replayed: true, checkpoint: { bookmarksCount: 5, version: 3 } })
    })

    it('is refused to a session that may not save any more, where its save was undone', async () => {
      const sessionId = await start()
      await save({ sessionId, itemId: '10' })
      await save({ sessionId, idempotencyKey: 'k' })
      await run('stopSession', { sessionId })
      expect(await save({ sessionId, idempotencyKey: 'k' })).toMatchObject({ replayed: true })
      await run('clearCheckpoint', { userId: crawls.userId })
      expect((await save({ sessionId, idempotencyKey: 'k' })).code).toBe('SESSION_CLOSED')
    })

    it('belongs to its session: another one, or a save without one, may use the same text', async () => {
      const first = await start()
      await save({ sessionId: first, itemId: '10', idempotencyKey: 'page-1' })
      const second = await start({ takeover: true })
      expect(await save({ sessionId: second, itemId: '20', idempotencyKey: 'page-1' })).toMatchObject({
        replayed: false,
      })
      await run('stopSession', { sessionId: second })
      expect(await save({ itemId: '30', idempotencyKey: 'page-1' })).toMatchObject({ replayed: false })
      expect(await save({ sessionId: first, itemId: '10', idempotencyKey: 'page-1' })).toMatchObject({ replayed: true })
      expect(await save({ itemId: '30', idempotencyKey: 'page-1' })).toMatchObject({ replayed: true })
    })
  })

  it.each([
    ['a page token over 8 KiB', { pageToken: 'é'.repeat(4097) }, ['pageToken']],
    ['a page token with a NUL', { pageToken: 'a\0' }, ['pageToken']],
    ['more than 50 head items', { headItemIds: Array.from({ length: 51 }, (_, n) => String(n + 1)) }, ['headItemIds']],
    ['no item and no session', { itemId: null, pageToken: 'p2' }, ['itemId']],
    ['a negative expected version', { expectedVersion: -1 }, ['expectedVersion']],
    ['an empty key', { idempotencyKey: '' }, ['idempotencyKey']],
    ['a key over 255 characters', { idempotencyKey: 'x'.repeat(256) }, ['idempotencyKey']],
    ['negative metrics', { metrics: { apiRequests: -1 } }, ['metrics', 'apiRequests']],
  ])('is INVALID_INPUT with %s', async (_what, input, path) => {
    expect(await save(input)).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['input', ...path] }] })
    expect(await revisions()).toEqual([])
  })

  it("tells the session's rate from its first save to its last", async () => {
    const sessionId = await start()
    expect((await save({ sessionId, bookmarksAdded: 50 }))['session'].bookmarksPerSecond).toBeNull()
    await crawls.clock.advance(10)
    const rate = (await save({ sessionId, bookmarksAdded: 100 }))['session'].bookmarksPerSecond as number
    expect(rate).toBeGreaterThan(9)
    expect(rate).toBeLessThanOrEqual(10)
  })

  describe('among many', () => {
    // statements.test.ts has 10,000.
    it('is judged alone and in order: one bad one of 200 of one key leaves the others written', async () => {
      const inputs = Array.from({ length: 200 }, (_, place) => ({ itemId: String(place + 1), bookmarksAdded: 1 }))
      inputs[77] = { itemId: '12a', bookmarksAdded: 1 }
      const results = await saveAll(inputs)
      expect(results[77]).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['inputs', '77', 'itemId'] }] })
      expect(results[199]?.['checkpoint']).toMatchObject({ lastItemId: '200', bookmarksCount: 199, version: 199 })
      expect(results.flatMap((result) => result['checkpoint']?.version ?? [])).toEqual(
        Array.from({ length: 199 }, (_, n) => n + 1),
      )
    })

    it('sees what the ones before it wrote', async () => {
      const results = await saveAll([
        { expectedVersion: 0 },
        { expectedVersion: 0 },
        { itemId: '21', expectedVersion: 1 },
        { userId: 'nobody' },
        { sessionId: 'none' },
      ])
      expect(results.map(({ __typename }) => __typename)).toEqual([
        'SaveCheckpointSuccess',
        'VersionConflictError',
        'SaveCheckpointSuccess',
        'UserNotFoundError',
        'SessionNotFoundError',
      ])
    })

    it('can be nobody', async () => {
      expect(await saveAll([])).toEqual([])
    })

    it('is refused as a whole above 10,000', async () => {
      const inputs = Array.from({ length: 10_001 }, () => ({ userId: 'a', itemId: '1' }))
      expect(
        (
          await crawls.waymark.fail(
            'mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }',
            { inputs },
          )
        ).code,
      ).toBe('BAD_USER_INPUT')
    })
  })

  describe('imported', () => {
    it('makes missing users, records IMPORT, and takes the head as anchors of a complete checkpoint', async () => {
      const imported = `new-${crawls.userId}`
      const results = await saveAll(
        [
          { userId: imported, bookmarksCount: 9, headItemIds: ['30', '29'] },
          { userId: imported, stream: 'reddit/saved', itemId: 't3_a' },
          { userId: '' },
        ],
        { import: true },
      )
      expect(results[0]?.['checkpoint']).toMatchObject({
        complete: true,
        anchorItemIds: ['30', '29'],
        headItemIds: [],
        bookmarksCount: 9,
      })
      expect(results[1]?.['checkpoint']).toMatchObject({ complete: false, anchorItemIds: [] })
      expect(results[2]).toMatchObject({ code: 'INVALID_INPUT' })
      expect((await revisions(imported)).map(({ source }) => source)).toEqual(['IMPORT', 'IMPORT'])
    })

    it('changes nothing when imported again', async () => {
      await saveAll([{ headItemIds: ['30'] }], { import: true })
      const [again] = await saveAll([{ headItemIds: ['30'] }], { import: true })
      expect(again?.['checkpoint'].version).toBe(1)
    })

    it('is refused while a session owns the stream', async () => {
      await start()
      expect((await saveAll([{ headItemIds: ['30'] }], { import: true }))[0]).toMatchObject({ code: 'STREAM_BUSY' })
    })
  })
})
