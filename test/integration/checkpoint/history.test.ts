import { describe, expect, it } from 'vitest'
import { beforeEachFreshUser } from '../../support/fresh-user.ts'
import { type MutationResult, mutate, type TestWaymark } from '../../support/waymark.ts'

const REVISION =
  'id version source actor lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete epoch session { sessionId } recordedAt'
const ROLLBACK = `mutation ($input: RollbackCheckpointInput!) { result: rollbackCheckpoint(input: $input) {
  __typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }
  ... on VersionConflictError { currentVersion } ... on HistoryExpiredError { oldestVersion } ... on StreamBusyError { owner { sessionId } }
  ... on RollbackCheckpointSuccess { checkpoint { version epoch lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete } target { version } revision { version source } } } }`

describe('the history of a checkpoint', () => {
  let waymark: TestWaymark
  let userId: string
  beforeEachFreshUser((server, user) => {
    waymark = server
    userId = user
  })

  const save = (input: Record<string, unknown> = {}) =>
    mutate(waymark, 'saveCheckpoint', { userId, itemId: '20', ...input })
  const sql = (text: string, ...values: unknown[]) => waymark.database.query(text, [userId, ...values])
  const history = async (args = 'first: 100') => {
    const data = await waymark.ask(
      `query ($userId: String!) { checkpointHistory(userId: $userId, ${args}) { totalCount nodes { ${REVISION} } pageInfo { hasNextPage endCursor } } }`,
      { userId },
    )
    return data.checkpointHistory
  }
  const changes = async () =>
    (await history()).nodes.map((it: Record<string, unknown>) => [
      it['version'],
      it['source'],
      it['lastItemId'],
      it['bookmarksCount'],
    ])
  const rollback = async (input: Record<string, unknown>) =>
    (
      await waymark.ask<{ result: MutationResult }>(ROLLBACK, {
        input: { userId, stream: 'twitter/bookmarks', ...input },
      })
    ).result

  it('has every change by anybody, the newest first: API, psql, upserts, another key, cascades', async () => {
    await save({ bookmarksAdded: 2 })
    await sql(
      `UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '21', bookmarks_count = 5 WHERE user_id = $1`,
    )
    await sql(`INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id, bookmarks_count) VALUES ($1, '22', 6)
      ON CONFLICT (user_id) DO UPDATE SET last_tweet_id = excluded.last_tweet_id, bookmarks_count = excluded.bookmarks_count`)
    await sql(`INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count) VALUES ($1, 'twitter/bookmarks', '23', 7)
      ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = excluded.last_tweet_id, bookmarks_count = excluded.bookmarks_count`)
    await sql(`DELETE FROM crawler.crawl_checkpoint WHERE user_id = $1`)
    await save()
    await sql(`DELETE FROM public."user" WHERE id = $1`)
    expect(await changes()).toEqual([
      [7, 'EXTERNAL', null, 0],
      [6, 'SAVE', '20', 0],
      [5, 'EXTERNAL', null, 0],
      [4, 'EXTERNAL', '23', 7],
      [3, 'EXTERNAL', '22', 6],
      [2, 'EXTERNAL', '21', 5],
      [1, 'SAVE', '20', 2],
    ])
  })

  it('takes a change of key as a clear of the old and a save of the new', async () => {
    await save({ bookmarksAdded: 2 })
    await sql(`UPDATE crawler.crawl_checkpoint SET stream = 'twitter/likes' WHERE user_id = $1`)
    expect(await changes()).toEqual([
      [2, 'EXTERNAL', null, 0],
      [1, 'SAVE', '20', 2],
    ])
    expect(
      await sql(
        `SELECT stream, version, last_item_id FROM crawler.checkpoint_revision WHERE user_id = $1 AND stream = 'twitter/likes'`,
      ),
    ).toEqual([{ stream: 'twitter/likes', version: 1, last_item_id: '20' }])
  })

  it('is written in the writer’s transaction, and marks a raw statement after a save of the same transaction as EXTERNAL', async () => {
    await sql(`SELECT $1::text; `)
    await waymark.database.query(`BEGIN;
      SELECT * FROM crawler.save_checkpoints('[{"place": 0, "user_id": "${userId}", "stream": "twitter/bookmarks", "item_id": "30"}]', false);
      UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '31' WHERE user_id = '${userId}'; COMMIT`)
    await waymark.database.query(
      `BEGIN; UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '32' WHERE user_id = '${userId}'; ROLLBACK`,
    )
    expect(await changes()).toEqual([
      [2, 'EXTERNAL', '31', 0],
      [1, 'SAVE', '30', 0],
    ])
  })

  it('has no revision for a foreign write that changes nothing of it', async () => {
    await save({ bookmarksAdded: 2 })
    await sql(`UPDATE crawler.twitter_crawl_checkpoint SET last_crawled_at = now() WHERE user_id = $1`)
    expect(await changes()).toHaveLength(1)
  })

  it('refuses TRUNCATE, which it would not notice', async () => {
    for (const table of ['crawl_checkpoint', 'twitter_crawl_checkpoint', 'crawl_checkpoint_other']) {
      await expect(waymark.database.query(`TRUNCATE crawler.${table}`)).rejects.toThrow(/TRUNCATE/)
    }
  })

  it('is paged and counted, and its revisions are nodes', async () => {
    for (let item = 1; item <= 5; item += 1) await save({ itemId: String(item) })
    const first = await history('first: 2')
    expect(first).toMatchObject({
      totalCount: 5,
      nodes: [{ version: 5 }, { version: 4 }],
      pageInfo: { hasNextPage: true },
    })
    const rest = await history(`first: 100, after: "${first.pageInfo.endCursor}"`)
    expect(rest.nodes.map((it: { version: number }) => it.version)).toEqual([3, 2, 1])
    const { node } = await waymark.ask(
      'query ($id: ID!) { node(id: $id) { __typename ... on CheckpointRevision { version lastItemId } } }',
      { id: first.nodes[0].id },
    )
    expect(node).toEqual({ __typename: 'CheckpointRevision', version: 5, lastItemId: '5' })
    expect((await waymark.fail('{ checkpointHistory(userId: "", first: 1) { totalCount } }')).code).toBe(
      'BAD_USER_INPUT',
    )
  })

  describe('rolled back', () => {
    it('restores item, count, token, head, anchors and completeness, as a new version', async () => {
      const { session } = await mutate(waymark, 'startSession', { userId })
      const sessionId = session.sessionId as string
      await save({ sessionId, bookmarksAdded: 2, pageToken: 'p1', headItemIds: ['20', '19'] })
      await save({ sessionId, itemId: '18', bookmarksAdded: 3 })
      await mutate(waymark, 'completeSession', { sessionId })
      expect(await rollback({ toVersion: 1 })).toEqual({
        __typename: 'RollbackCheckpointSuccess',
        checkpoint: {
          version: 4,
          epoch: 0,
          lastItemId: '20',
          bookmarksCount: 2,
          pageToken: 'p1',
          headItemIds: ['20', '19'],
          anchorItemIds: [],
          complete: false,
        },
        target: { version: 1 },
        revision: { version: 4, source: 'ROLLBACK' },
      })
      const back = await rollback({ toVersion: 3 })
      expect(back['checkpoint']).toMatchObject({
        version: 5,
        lastItemId: '18',
        bookmarksCount: 5,
        anchorItemIds: ['20', '19'],
        headItemIds: [],
        complete: true,
        pageToken: null,
      })
      expect(await changes()).toHaveLength(5)
    })

    it('keeps the head that was told: who carries on from there may not tell another', async () => {
      const begin = async () => (await mutate(waymark, 'startSession', { userId })).session.sessionId as string
      const first = await begin()
      await save({ sessionId: first, itemId: '20', pageToken: 'p1', headItemIds: ['20', '19'] })
      await save({ sessionId: first, itemId: '18', pageToken: 'p2' })
      await mutate(waymark, 'stopSession', { sessionId: first })
      await rollback({ toVersion: 1 })
      const second = await begin()
      await save({ sessionId: second, itemId: '18', headItemIds: ['18', '17'] })
      expect((await history()).nodes[0]).toMatchObject({ lastItemId: '18', headItemIds: ['20', '19'] })
      await mutate(waymark, 'completeSession', { sessionId: second })
      expect((await history()).nodes[0]).toMatchObject({ complete: true, anchorItemIds: ['20', '19'] })
    })

    it('restores over writes of others, a clear, and to a clear', async () => {
      await save({ bookmarksAdded: 2 })
      await sql(
        `UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '99', bookmarks_count = 0 WHERE user_id = $1`,
      )
      await mutate(waymark, 'clearCheckpoint', { userId })
      expect((await rollback({ toVersion: 1 }))['checkpoint']).toMatchObject({
        version: 4,
        lastItemId: '20',
        bookmarksCount: 2,
      })
      expect(await rollback({ toVersion: 3 })).toMatchObject({
        checkpoint: null,
        target: { version: 3 },
        revision: { version: 5 },
      })
      expect(
        await waymark.ask('query ($userId: String!) { checkpoint(userId: $userId) { version } }', { userId }),
      ).toEqual({ checkpoint: null })
    })

    it('goes to what was current at a time', async () => {
      await save({ itemId: '1' })
      await save({ itemId: '2' })
      await sql(
        `UPDATE crawler.checkpoint_revision SET recorded_at = recorded_at - (10 - version) * interval '1 hour' WHERE user_id = $1`,
      )
      const [second] = await sql(
        `SELECT recorded_at FROM crawler.checkpoint_revision WHERE user_id = $1 AND version = 1`,
      )
      const at = (ms: number) => new Date((second?.['recorded_at'] as Date).getTime() + ms).toISOString()
      expect((await rollback({ toTime: at(1_800_000), dryRun: true }))['target']).toEqual({ version: 1 })
      expect(await rollback({ toTime: at(-1_000) })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'toTime'] }],
      })
      expect(await rollback({ toTime: new Date().toISOString() })).toMatchObject({
        target: { version: 2 },
        revision: null,
      })
    })

    it('only says what would be in a dry run', async () => {
      await save({ itemId: '1', bookmarksCount: 1 })
      await save({ itemId: '2', bookmarksCount: 2 })
      const would = await rollback({ toVersion: 1, dryRun: true })
      expect(would).toMatchObject({
        checkpoint: { version: 3, lastItemId: '1', bookmarksCount: 1 },
        target: { version: 1 },
        revision: null,
      })
      expect(await changes()).toHaveLength(2)
      expect((await rollback({ toVersion: 1 }))['checkpoint']).toEqual(would['checkpoint'])
    })

    it('changes nothing where it is already', async () => {
      await save()
      expect(await rollback({ toVersion: 1 })).toMatchObject({
        checkpoint: { version: 1 },
        target: { version: 1 },
        revision: null,
      })
    })

    it('is refused while a session owns the stream', async () => {
      await save()
      const { session } = await mutate(waymark, 'startSession', { userId })
      expect(await rollback({ toVersion: 1 })).toMatchObject({
        code: 'STREAM_BUSY',
        owner: { sessionId: session.sessionId },
      })
    })

    it('is refused for what there is not', async () => {
      expect(await rollback({ toVersion: 1 })).toMatchObject({
        __typename: 'CheckpointNotFoundError',
        code: 'CHECKPOINT_NOT_FOUND',
      })
      await save()
      await save({ itemId: '21' })
      expect(await rollback({ toVersion: 3 })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'toVersion'] }],
      })
      expect(await rollback({ toVersion: 1, expectedVersion: 9 })).toMatchObject({
        code: 'VERSION_CONFLICT',
        currentVersion: 2,
      })
      for (const input of [
        {},
        { toVersion: 1, toTime: '2026-01-01T00:00:00Z' },
        { toVersion: 0 },
        { toVersion: 1, stream: 'x' },
        { toVersion: 1, expectedVersion: -1 },
      ]) {
        expect(await rollback(input)).toMatchObject({ code: 'INVALID_INPUT' })
      }
      await sql('DELETE FROM crawler.checkpoint_revision WHERE user_id = $1 AND version = 1')
      expect(await rollback({ toVersion: 1 })).toMatchObject({ code: 'HISTORY_EXPIRED', oldestVersion: 2 })
      expect(await rollback({ toTime: '2020-01-01T00:00:00Z' })).toMatchObject({
        code: 'HISTORY_EXPIRED',
        oldestVersion: 2,
      })
    })

    it('answers each rollback beside saves and rollbacks that make the cleared checkpoint at the same time', async () => {
      const clear = () => mutate(waymark, 'clearCheckpoint', { userId })
      await save()
      const told: unknown[] = []
      for (let round = 0; round < 60; round += 1) {
        await clear()
        const [, , ...rollbacks] = await Promise.all([
          save({ itemId: '21' }),
          save({ itemId: '22' }),
          rollback({ toVersion: 1 }),
          rollback({ toVersion: 1 }),
        ])
        told.push(...rollbacks.map(({ __typename }) => __typename))
      }
      expect(new Set(told)).toEqual(new Set(['RollbackCheckpointSuccess']))
    })
  })
})
