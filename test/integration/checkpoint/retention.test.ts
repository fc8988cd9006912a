import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Pruned,
  type RetentionSettings,
  runRetentionOnce,
  startRetention,
} from '../../../src/maintenance/retention.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { controlClock } from '../../support/clock.ts'
import { withClient } from '../../support/database.ts'
import { mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const DAY = 86_400
const DEFAULTS: RetentionSettings = {
  historyKeepRevisions: 3,
  historyRetentionDays: 30,
  sessionRetentionDays: undefined,
}
const NOTHING: Pruned = { revisions: 0, lists: 0, sessions: 0, keyPartitions: 0 }
const log = pino({ level: 'silent' })

describe('retention', () => {
  let waymark: TestWaymark
  let database: Database
  let clock: Awaited<ReturnType<typeof controlClock>>
  const userId = 'ann'
  beforeEach(async () => {
    waymark = await startWaymark()
    clock = await controlClock(waymark.database)
    database = openDatabase({
      url: waymark.database.url,
      poolSize: 2,
      connectTimeoutMs: 3_000,
      statementTimeoutMs: 10_000,
      log,
    })
    await mutate(waymark, 'registerUser', { userId })
  })
  afterEach(async () => {
    await database.close()
    await waymark[Symbol.asyncDispose]()
  })

  const run = (settings: Partial<RetentionSettings> = {}) => runRetentionOnce(database, { ...DEFAULTS, ...settings })
  const save = async (input: Record<string, unknown>) => {
    const { result } = await waymark.ask<{ result: MutationResult }>(
      'mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename } }',
      { input: { userId, ...input } },
    )
    expect(result.__typename).toBe('SaveCheckpointSuccess')
  }
  const saves = async (from: number, to: number, stream = 'twitter/bookmarks') => {
    for (let item = from; item <= to; item += 1) await save({ stream, itemId: String(item) })
  }
  const versions = async (stream = 'twitter/bookmarks') => {
    const { checkpointHistory } = await waymark.ask(
      'query ($stream: String) { checkpointHistory(userId: "ann", stream: $stream, first: 100) { nodes { version } } }',
      { stream },
    )
    return checkpointHistory.nodes.map(({ version }: { version: number }) => version) as number[]
  }
  const column = async (sql: string) =>
    (await waymark.database.query<{ value: unknown }>(sql)).map(({ value }) => value)

  describe('of revisions', () => {
    it('keeps the young ones, however many', async () => {
      await saves(1, 6)
      await clock.advance(29 * DAY)
      expect(await run()).toEqual(NOTHING)
      expect(await versions()).toEqual([6, 5, 4, 3, 2, 1])
    })

    it('keeps the newest of each user and stream, however old', async () => {
      await mutate(waymark, 'registerUser', { userId: 'bob' })
      await saves(1, 5)
      await saves(1, 2, 'twitter/likes')
      await save({ userId: 'bob', itemId: '1' })
      await clock.advance(400 * DAY)
      expect(await run()).toEqual({ ...NOTHING, revisions: 2 })
      expect(await versions()).toEqual([5, 4, 3])
      expect(await versions('twitter/likes')).toEqual([2, 1])
      expect(await run({ historyKeepRevisions: 1 })).toEqual({ ...NOTHING, revisions: 3 })
      expect(await versions()).toEqual([5])
      expect(await column(`SELECT count(*)::integer AS value FROM crawler.checkpoint_revision`)).toEqual([3])
      expect(await run({ historyKeepRevisions: 1 })).toEqual(NOTHING)
    })

    it('deletes what is neither young nor among the newest', async () => {
      await saves(1, 5)
      await clock.advance(40 * DAY)
      await saves(6, 7)
      expect(await run()).toEqual({ ...NOTHING, revisions: 4 })
      expect(await versions()).toEqual([7, 6, 5])
    })

    it('goes on counting versions, and rolls back to what is kept only', async () => {
      await saves(1, 5)
      await clock.advance(40 * DAY)
      await run()
      const { result } = await waymark.ask<{ result: MutationResult }>(
        `mutation { result: rollbackCheckpoint(input: { userId: "ann", stream: "twitter/bookmarks", toVersion: 2 }) {
          ... on UserError { code } ... on HistoryExpiredError { oldestVersion } } }`,
      )
      expect(result).toEqual({ code: 'HISTORY_EXPIRED', oldestVersion: 3 })
      await saves(6, 6)
      expect((await versions())[0]).toBe(6)
    })

    it('keeps what tells of a clear, and of a user who is gone, as any other', async () => {
      await saves(1, 3)
      await waymark.database.query(`DELETE FROM public."user" WHERE id = 'ann'`)
      await clock.advance(40 * DAY)
      expect(await run({ historyKeepRevisions: 1 })).toEqual({ ...NOTHING, revisions: 3 })
      expect(
        await waymark.database.query('SELECT version, source, last_item_id FROM crawler.checkpoint_revision'),
      ).toEqual([{ version: 4, source: 'EXTERNAL', last_item_id: null }])
    })

    it('deletes whole UTC days, so that the first bucket of a chart is whole', async () => {
      await saves(1, 5)
      const bound = `date_trunc('day', crawler.clock() - interval '30 days', 'UTC')`
      await waymark.database.query(`
        UPDATE crawler.checkpoint_revision SET recorded_at = ${bound} - interval '1 microsecond' WHERE version = 1;
        UPDATE crawler.checkpoint_revision SET recorded_at = ${bound} WHERE version > 1`)
      expect(await run({ historyKeepRevisions: 1 })).toEqual({ ...NOTHING, revisions: 1 })
      const { activity } = await waymark.ask(
        'query ($from: DateTime!, $to: DateTime!) { activity(from: $from, to: $to, bucket: DAY) { saves } }',
        { from: new Date(Date.now() - 30 * DAY * 1000 + 60_000), to: new Date() },
      )
      expect(activity[0]).toEqual({ saves: 4 })
    })

    it('deletes more than a batch, of one stream and of many', async () => {
      await waymark.database.query(`
        INSERT INTO crawler.crawl_state (user_id, stream, version)
          SELECT 'u' || n, 's', CASE WHEN n = 5 THEN 2500 ELSE 3 END FROM generate_series(1, 1500) n;
        INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
          SELECT st.user_id, st.stream, v, 'SAVE', 0, 0, FALSE, 0, crawler.clock() - interval '60 days'
          FROM crawler.crawl_state st, generate_series(1, st.version) v`)
      expect(await run({ historyKeepRevisions: 2 })).toEqual({ ...NOTHING, revisions: 1499 + 2498 })
      expect(
        await column('SELECT count(*)::integer AS value FROM crawler.checkpoint_revision GROUP BY user_id'),
      ).toEqual(Array.from({ length: 1500 }, () => 2))
      expect(
        await column(`SELECT min(version) AS value FROM crawler.checkpoint_revision WHERE user_id = 'u5'`),
      ).toEqual([2499])
    })
  })

  describe('of heads and anchors', () => {
    const lists = () => column('SELECT item_ids AS value FROM crawler.item_list ORDER BY list_id')
    const crawl = async (head: string[]) => {
      const { session } = await mutate(waymark, 'startSession', { userId })
      await save({ itemId: head[0], headItemIds: head, sessionId: session.sessionId })
      await mutate(waymark, 'completeSession', { sessionId: session.sessionId })
    }

    it('deletes those that only pruned revisions referred to', async () => {
      for (const item of ['1', '2', '3']) await crawl([item, '9'])
      expect(await lists()).toEqual([
        ['1', '9'],
        ['2', '9'],
        ['3', '9'],
      ])
      await clock.advance(40 * DAY)
      expect(await run({ historyKeepRevisions: 2 })).toEqual({ ...NOTHING, revisions: 4, lists: 1 })
      // The last save still has the second as its anchors; it and the completion have the third.
      expect(await lists()).toEqual([
        ['2', '9'],
        ['3', '9'],
      ])
      const { checkpoint } = await waymark.ask('{ checkpoint(userId: "ann") { anchorItemIds } }')
      expect(checkpoint).toEqual({ anchorItemIds: ['3', '9'] })
    })

    it('keeps one that only the state of a crawl refers to, and one that is younger than an hour', async () => {
      await saves(1, 1)
      await waymark.database.query(`
        INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
          SELECT 'ann', ARRAY[name], crawler.clock() - age FROM (VALUES
            ('head', interval '2 h'), ('anchors', interval '2 h'), ('unused', interval '61 min'), ('young', interval '59 min')
          ) AS made (name, age);
        UPDATE crawler.crawl_state SET
          head_list_id = (SELECT list_id FROM crawler.item_list WHERE item_ids = '{head}'),
          anchor_list_id = (SELECT list_id FROM crawler.item_list WHERE item_ids = '{anchors}')`)
      expect(await run()).toEqual({ ...NOTHING, lists: 1 })
      expect(await lists()).toEqual([['head'], ['anchors'], ['young']])
    })

    it('keeps one that a revision refers to which is not committed yet, without waiting for it', async () => {
      await saves(1, 1)
      await waymark.database.query(
        `INSERT INTO crawler.item_list (user_id, item_ids, recorded_at) VALUES ('ann', '{a}', crawler.clock() - interval '2 h')`,
      )
      await withClient(waymark.database.url, async (client) => {
        await client.query('BEGIN')
        await client.query(`
          INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, bookmarks_count, bookmarks_added, head_list_id, complete, epoch, recorded_at)
          SELECT 'ann', 'twitter/bookmarks', 2, 'ROLLBACK', 0, 0, list_id, FALSE, 0, crawler.clock() FROM crawler.item_list`)
        expect(await run()).toEqual(NOTHING)
        await client.query('COMMIT')
      })
      expect(await run()).toEqual(NOTHING)
      expect(await lists()).toEqual([['a']])
    })

    it('deletes more than a batch', async () => {
      await waymark.database.query(`
        INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
          SELECT 'ann', '{a}', crawler.clock() - interval '2 h' FROM generate_series(1, 2500)`)
      expect(await run()).toEqual({ ...NOTHING, lists: 2500 })
      expect(await lists()).toEqual([])
    })
  })

  describe('of sessions', () => {
    const end = async (sessionId: string) => {
      await mutate(waymark, 'startSession', { userId, sessionId })
      await mutate(waymark, 'stopSession', { sessionId })
    }
    const left = () => column('SELECT session_id AS value FROM crawler.crawl_session ORDER BY session_id')

    it('is for ever unless a setting says otherwise', async () => {
      await end('old')
      await clock.advance(1000 * DAY)
      expect(await run()).toEqual(NOTHING)
      expect(await left()).toEqual(['old'])
    })

    it('deletes those that ended longer ago, and tells their watchers', async () => {
      await end('old')
      await clock.advance(2 * DAY)
      await end('young')
      await mutate(waymark, 'startSession', { userId, sessionId: 'live', leaseSeconds: 3600 })
      await waymark.database.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('foreign', 'ann', '2020-01-01')`,
      )
      await clock.advance(2 * DAY - 60)
      expect(await run({ sessionRetentionDays: 4 })).toEqual(NOTHING)
      await clock.advance(120)
      expect(await run({ sessionRetentionDays: 4 })).toEqual({ ...NOTHING, sessions: 1 })
      expect(await left()).toEqual(['foreign', 'live', 'young'])
      expect(await column(`SELECT session_id AS value FROM crawler.feed_event WHERE kind = 'SESSION_DELETED'`)).toEqual(
        ['old'],
      )
    })
  })

  it('drops idempotency keys by whole partitions once all of one are older than 24 h; a save under an older key is a new one', async () => {
    await save({ itemId: '1', bookmarksAdded: 5, idempotencyKey: 'old' })
    await clock.advance(DAY - 60)
    await save({ itemId: '2', bookmarksAdded: 5, idempotencyKey: 'young' })
    // Opens the next partition.
    expect(await run()).toEqual(NOTHING)
    await clock.advance(120)
    await save({ itemId: '1', bookmarksAdded: 5, idempotencyKey: 'old' })
    await save({ itemId: '2', bookmarksAdded: 5, idempotencyKey: 'young' })
    expect(await column('SELECT bookmarks_count AS value FROM crawler.crawl_checkpoint')).toEqual([15])
    const keys = () => column('SELECT key AS value FROM crawler.idempotency_key ORDER BY key_id')
    expect(await keys()).toEqual(['old', 'young', 'old'])
    expect(await run()).toEqual(NOTHING)
    await clock.advance(DAY)
    expect(await run()).toEqual({ ...NOTHING, keyPartitions: 1 })
    expect(await keys()).toEqual(['old'])
  })

  it('is left to the replica that is at it', async () => {
    await waymark.database.query(
      `INSERT INTO crawler.item_list (user_id, item_ids, recorded_at) VALUES ('ann', '{a}', '2020-01-01')`,
    )
    await mutate(waymark, 'startSession', { userId, sessionId: 's' })
    await mutate(waymark, 'stopSession', { sessionId: 's' })
    await saves(1, 5)
    await saves(6, 6)
    await clock.advance(40 * DAY)
    const settings = { sessionRetentionDays: 1 }
    await withClient(waymark.database.url, async (client) => {
      await client.query(`SELECT pg_advisory_lock(hashtextextended('waymark retention', 0))`)
      expect(await run(settings)).toEqual(NOTHING)
    })
    expect(await run(settings)).toEqual({ revisions: 3, lists: 1, sessions: 1, keyPartitions: 0 })
  })

  it('may be run by several replicas at once: what must stay stays', async () => {
    await saves(1, 5)
    await clock.advance(40 * DAY)
    const pruned = await Promise.all([run(), run(), run()])
    expect(pruned.reduce((total, { revisions }) => total + revisions, 0)).toBeLessThanOrEqual(2)
    await run()
    expect(await versions()).toEqual([5, 4, 3])
  })

  it('tells how late it is: what a lock or an open transaction keeps, and what the last sweep found late', async () => {
    await saves(1, 5)
    await mutate(waymark, 'startSession', { userId, sessionId: 's' })
    await mutate(waymark, 'stopSession', { sessionId: 's' })
    const settings = { ...DEFAULTS, sessionRetentionDays: 1 }
    let mayRetire = false
    const prunedFeed = { retentionHours: 24, mayRetire: () => Promise.resolve(mayRetire) }
    const start = () => startRetention(database, settings, log, prunedFeed, 500)
    // Two partitions of events and of keys, the first of each in use until now.
    await clock.advance(DAY)
    await withClient(waymark.database.url, async (holder) => {
      await holder.query(`SELECT pg_advisory_lock(hashtextextended('waymark retention', 0))`)
      const retention = start()
      try {
        const opened = () =>
          column(`SELECT count(*)::integer AS value FROM crawler.log_partition WHERE opened_at IS NOT NULL`)
        await expect.poll(opened, { timeout: 20_000 }).toEqual([4])
        const { sessions, ...others } = retention.overdue()
        expect(others).toEqual({ revisions: 0, keys: 0, events: 0 })
        // The session has been due since the clock went on.
        expect(sessions).toBeLessThan(60)
        await clock.advance(40 * DAY)
        await expect.poll(() => retention.overdue().events, { timeout: 20_000 }).toBeGreaterThan(38 * DAY)
        await expect.poll(() => retention.overdue().sessions, { timeout: 20_000 }).toBeGreaterThan(39 * DAY)
        // The keys' partition is gone already.
        expect(retention.overdue().keys).toBe(0)
        mayRetire = true
        await holder.query(`SELECT pg_advisory_unlock(hashtextextended('waymark retention', 0))`)
        // Ten days and a bit past the 30; a day late is in time.
        await expect.poll(() => retention.overdue().revisions, { timeout: 20_000 }).toBeGreaterThan(9 * DAY)
        await expect
          .poll(() => retention.overdue(), { timeout: 20_000 })
          .toEqual({ revisions: 0, sessions: 0, keys: 0, events: 0 })
      } finally {
        await retention.close()
      }
    })
  })

  it('goes on by itself, tells of deleted sessions, and stops when closed', async () => {
    let told = 0
    const settings = { ...DEFAULTS, sessionRetentionDays: 1 }
    const stopHearing = database.onNews(() => (told += 1))
    const prunedFeed = { retentionHours: 168, mayRetire: () => Promise.resolve(false) }
    const retention = startRetention(database, settings, log, prunedFeed, 10)
    try {
      for (const sessionId of ['s1', 's2']) {
        await mutate(waymark, 'startSession', { userId, sessionId })
        await mutate(waymark, 'stopSession', { sessionId })
        await clock.advance(2 * DAY)
        await expect
          .poll(() => column('SELECT session_id AS value FROM crawler.crawl_session'), { timeout: 10_000 })
          .toEqual([])
      }
    } finally {
      await retention.close()
      stopHearing()
    }
    expect(told).toBe(2)
  })
})
