import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import {
  type GrowingTable,
  IDS_PER_PARTITION,
  keepPartitions,
  type Partition,
} from '../../../src/database/partitions.ts'
import { Finality } from '../../../src/events/finality.ts'
import { lookAtOutbox, markPruned } from '../../../src/events/outbox.ts'
import { createTestDatabase, statementsWaitingForLocks, type TestDatabase, withClient } from '../../support/database.ts'

const log = pino({ level: 'silent' })
/** Retires whatever is not written any more. */
const EVENTS: GrowingTable = { name: 'feed_event', keepHours: 0, partitionHours: 0 }
const patience = { timeout: 20_000 }

describe('the partitions of the outbox', () => {
  let stored: TestDatabase
  let database: Database
  beforeEach(async () => {
    stored = await createTestDatabase()
    database = openDatabase({ url: stored.url, poolSize: 4, connectTimeoutMs: 5_000, statementTimeoutMs: 10_000, log })
    await stored.query(`INSERT INTO public."user" VALUES ('ann')`)
  })
  afterEach(async () => {
    await database.close()
    await stored[Symbol.asyncDispose]()
  })

  const open = async () => {
    const [row] = await stored.query<{ opened: boolean }>(`SELECT crawler.open_partition('feed_event', '0') AS opened`)
    await stored.query(`SELECT crawler.make_partition('feed_event')`)
    return row?.opened
  }
  const attached = async () =>
    (
      await stored.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'crawler.feed_event'::regclass AND NOT i.inhdetachpending ORDER BY 1`,
      )
    ).map(({ name }) => name)
  const tables = async () =>
    (
      await stored.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relname ~ '^feed_event_[0-9]+$' AND relkind = 'r' ORDER BY 1`,
      )
    ).map(({ name }) => name)
  const save = (itemId: string) =>
    stored.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) VALUES ('ann', $1)
       ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = excluded.last_tweet_id`,
      [itemId],
    )
  const events = async () =>
    (
      await stored.query<{ id: string; item: string }>(
        'SELECT event_id AS id, last_item_id AS item FROM crawler.feed_event ORDER BY event_id',
      )
    ).map(({ id, item }) => ({ id: BigInt(id), item }))

  it('follow each other by a jump of the sequence; the next one is there before it is written', async () => {
    expect(await attached()).toEqual(['feed_event_0', 'feed_event_1'])
    await save('1')
    expect(await open()).toBe(true)
    expect(await attached()).toEqual(['feed_event_0', 'feed_event_1', 'feed_event_2'])
    await save('2')
    await save('3')
    expect(await events()).toEqual([
      { id: 1n, item: '1' },
      { id: IDS_PER_PARTITION, item: '2' },
      { id: IDS_PER_PARTITION + 1n, item: '3' },
    ])
  })

  it('are opened only when the current one is old enough, and one at a time', async () => {
    const opened = () => stored.query(`SELECT crawler.open_partition('feed_event', '1 hour') AS opened`)
    expect(await opened()).toEqual([{ opened: false }])
    await stored.query(
      `UPDATE crawler.log_partition SET opened_at = now() - interval '61 min' WHERE opened_at IS NOT NULL`,
    )
    const results = await Promise.all([opened(), opened(), opened()])
    expect(results.flat().filter(({ opened }) => opened === true)).toHaveLength(1)
  })

  it('need nobody who makes them: what is written goes on into the last one for ever', async () => {
    await stored.query(`SELECT setval('crawler.feed_event_id', ${IDS_PER_PARTITION * 2n - 5n})`)
    // As if nothing had run for longer than any clock or rate explains.
    await stored.query(`DELETE FROM crawler.log_partition WHERE opened_at IS NULL`)
    for (const item of ['1', '2', '3']) await save(item)
    expect(await events()).toHaveLength(3)
  })

  it('never send the sequence back where a run failed after the jump', async () => {
    await open()
    await save('1')
    await save('2')
    await stored.query(`UPDATE crawler.log_partition SET opened_at = NULL WHERE name = 'feed_event_1'`)
    expect(await open()).toBe(true)
    await save('3')
    expect((await events()).map(({ item }) => item)).toEqual(['1', '2', '3'])
  })

  it('wait for a statement that does not know the next one, which could not write there', async () => {
    await stored.query(`DELETE FROM crawler.log_partition WHERE parent = 'feed_event' AND opened_at IS NULL;
      ALTER TABLE crawler.feed_event DETACH PARTITION crawler.feed_event_1; DROP TABLE crawler.feed_event_1`)
    await withClient(stored.url, async (gate) => {
      await gate.query('SELECT pg_advisory_lock(1)')
      // A row before the partition is attached, and a row after it was opened, had nobody waited.
      const writing = stored.query(
        `INSERT INTO crawler.feed_event (occurred_at, kind, user_id, stream)
         SELECT now(), CASE WHEN n = 2 THEN 'b' || coalesce(pg_advisory_xact_lock(1)::text, '') ELSE 'a' END, 'ann', 's'
         FROM generate_series(1, 3) n`,
      )
      await statementsWaitingForLocks(gate, 1)
      await stored.query(`SELECT crawler.make_partition('feed_event')`)
      expect(await open()).toBe(false)
      expect(await open()).toBe(false)
      await gate.query('SELECT pg_advisory_unlock(1)')
      await writing
    })
    expect(await open()).toBe(true)
    await save('1')
    expect((await events()).map(({ id }) => id)).toEqual([1n, 2n, 3n, IDS_PER_PARTITION])
  })

  it('are retired while a writer stays open: no other writer and no look at the outbox waits', async () => {
    await save('1')
    await open()
    await save('2')
    await withClient(stored.url, async (writer) => {
      await writer.query('BEGIN')
      await writer.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ann')`)
      const retiring = keepPartitions(database, { ...EVENTS, partitionHours: 100 })
      const state = { isOver: false }
      void retiring.finally(() => (state.isOver = true))
      let rounds = 0
      let slowestMs = 0
      do {
        const startedAt = performance.now()
        // As pool and feed do it: whoever waits longer for a lock fails.
        await withClient(stored.url, async (other) => {
          await other.query(`SET lock_timeout = '1s'`)
          await other.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = 'x' || last_tweet_id`)
        })
        await lookAtOutbox(database, { position: 0n, known: 0n })
        slowestMs = Math.max(slowestMs, performance.now() - startedAt)
        rounds += 1
      } while (!state.isOver)
      expect(await retiring).toBe(1)
      expect(rounds, 'it was retired while others wrote').toBeGreaterThan(1)
      expect(slowestMs).toBeLessThan(3_000)
      expect(await tables()).not.toContain('feed_event_0')
      await writer.query('COMMIT')
    })
    const kinds = await stored.query('SELECT DISTINCT kind FROM crawler.feed_event ORDER BY kind')
    expect(kinds).toEqual([{ kind: 'CHECKPOINT_SAVED' }, { kind: 'SESSION_STARTED' }])
  })

  it('are finished where a run was killed after it had begun to detach one', async () => {
    await save('1')
    await open()
    await withClient(stored.url, async (holder) => {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM crawler.feed_event')
      const detaching = withClient(stored.url, (client) =>
        client.query('ALTER TABLE crawler.feed_event DETACH PARTITION crawler.feed_event_0 CONCURRENTLY'),
      ).catch((error: unknown) => error)
      const pending = () => stored.query('SELECT FROM pg_inherits WHERE inhdetachpending')
      await expect.poll(pending, patience).toHaveLength(1)
      await stored.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%CONCURRENTLY' AND datname = current_database()`,
      )
      expect(await detaching).toBeInstanceOf(Error)
      await holder.query('COMMIT')
    })
    expect(await tables()).toContain('feed_event_0')
    expect(await keepPartitions(database, { ...EVENTS, partitionHours: 100 })).toBe(1)
    expect(await tables()).not.toContain('feed_event_0')
  })

  it('are finished where a run was killed between detaching one and dropping it', async () => {
    await save('1')
    await open()
    await stored.query('ALTER TABLE crawler.feed_event DETACH PARTITION crawler.feed_event_0 CONCURRENTLY')
    expect(
      await keepPartitions(database, { ...EVENTS, partitionHours: 100, mayRetire: () => Promise.resolve(false) }),
    ).toBe(1)
    expect(await tables()).not.toContain('feed_event_0')
  })

  it('stay while a transaction is open that could still commit an event into one, and while one is not delivered', async () => {
    await save('1')
    const writer = withClient(stored.url, async (client) => {
      await client.query('BEGIN')
      await client.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ann')`)
      await open()
      const partition: Partition = { firstId: 0n, endId: IDS_PER_PARTITION }
      expect(await markPruned(database, partition, 1n), 'an event may come').toBe(false)
      await client.query('COMMIT')
      expect(await markPruned(database, partition, 1n), 'it has come').toBe(false)
      expect(await markPruned(database, partition, 2n)).toBe(true)
    })
    await writer
    expect(await stored.query('SELECT pruned_up_to FROM crawler.feed')).toEqual([{ pruned_up_to: '2' }])
  })

  it('leave no trace in how far the feed is behind', () => {
    const finality = new Finality(10n)
    finality.judge({ highest: 12n, finalUpTo: 0n, writers: ['3/1'] }, 0)
    expect(finality.idsAfter(10n)).toBe(2)
    finality.judge({ highest: IDS_PER_PARTITION + 4n, finalUpTo: 0n, writers: ['3/1'] }, 0)
    expect(finality.idsAfter(10n)).toBe(2 + 5)
    finality.judge({ highest: IDS_PER_PARTITION + 4n, finalUpTo: 0n, writers: [] }, 0)
    expect(finality.idsAfter(IDS_PER_PARTITION + 1n)).toBe(3)
  })
})
