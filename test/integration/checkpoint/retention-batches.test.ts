import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runRetentionOnce } from '../../../src/maintenance/retention.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { createTestDatabase, statementsWaitingForLocks, type TestDatabase, withClient } from '../../support/database.ts'
import { startOn } from '../../support/waymark.ts'

/** As the documentation has it: rows that one transaction locks and deletes at the most. */
const LARGEST_BATCH = 100
const SETTINGS = { historyKeepRevisions: 2, historyRetentionDays: 30, sessionRetentionDays: 7 }
const log = pino({ level: 'silent' })

/** By table, how many rows there are that are past their retention. */
const OLD = { checkpoint_revision: 2_300, item_list: 2_100, crawl_session: 2_050 }

describe('retention', () => {
  let stored: TestDatabase
  beforeEach(async () => {
    stored = await createTestDatabase()
    await stored.query(`
      -- What each transaction has deleted.
      CREATE TABLE public.deletion (table_name text, rows bigint, by xid8 DEFAULT pg_current_xact_id());
      CREATE FUNCTION public.note_deletion() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO public.deletion SELECT TG_TABLE_NAME, count(*) FROM gone HAVING count(*) > 0; RETURN NULL; END';
      ${Object.keys(OLD)
        .map(
          (table) => `CREATE TRIGGER note_deletion AFTER DELETE ON crawler.${table} REFERENCING OLD TABLE AS gone
          FOR EACH STATEMENT EXECUTE FUNCTION public.note_deletion();`,
        )
        .join('\n')}
      INSERT INTO public."user" VALUES ('ann');
      -- One long history and many short ones.
      INSERT INTO crawler.crawl_state (user_id, stream, version)
        SELECT 'ann', 'twitter/l' || n, CASE WHEN n = 1 THEN 1502 ELSE 10 END FROM generate_series(1, 101) n;
      INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
        SELECT st.user_id, st.stream, v, 'SAVE', 0, 0, FALSE, 0, crawler.clock() - interval '60 days'
        FROM crawler.crawl_state st, generate_series(1, st.version) v;
      INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
        SELECT 'ann', '{a}', crawler.clock() - interval '2 h' FROM generate_series(1, ${OLD.item_list});
      INSERT INTO crawler.crawl_session (session_id, user_id, status, started_at, completed_at)
        SELECT 's' || n, 'ann', 'failed', crawler.clock() - interval '9 days', crawler.clock() - interval '8 days'
        FROM generate_series(1, ${OLD.crawl_session}) n`)
  })
  afterEach(() => stored[Symbol.asyncDispose]())

  const open = (): Database & AsyncDisposable => {
    const settings = { url: stored.url, poolSize: 2, connectTimeoutMs: 4_000, statementTimeoutMs: 60_000, log }
    const database = openDatabase(settings)
    return Object.assign(database, { [Symbol.asyncDispose]: () => database.close() })
  }
  const deleted = async () => {
    const rows = await stored.query<{ table_name: string; rows: number; largest: number }>(`
      SELECT table_name, sum(rows)::integer AS rows, max(rows)::integer AS largest
      FROM (SELECT table_name, by, sum(rows) AS rows FROM public.deletion GROUP BY table_name, by) AS transactions GROUP BY table_name`)
    return new Map(rows.map(({ table_name, rows, largest }) => [table_name, { rows, largest }]))
  }

  it('deletes all that is old of each kind, never more than 100 rows in one transaction', async () => {
    await using database = open()
    const pruned = await runRetentionOnce(database, SETTINGS)
    expect(pruned).toEqual({
      revisions: OLD.checkpoint_revision,
      lists: OLD.item_list,
      sessions: OLD.crawl_session,
      keyPartitions: 0,
    })
    const told = await deleted()
    for (const [table, rows] of Object.entries(OLD)) {
      expect(told.get(table), table).toEqual({ rows, largest: LARGEST_BATCH })
    }
    const together = await stored.query<{ tables: number }>(
      'SELECT count(DISTINCT table_name)::integer AS tables FROM public.deletion GROUP BY by',
    )
    expect(new Set(together.map(({ tables }) => tables)), 'a transaction of its own for each').toEqual(new Set([1]))
  })

  it('of one replica waits for nobody and deletes nothing while another one is in the middle of a batch', async () => {
    await using one = open()
    await using other = open()
    await withClient(stored.url, async (client) => {
      // Not by the row's lock, for which a statement waits a second only.
      await client.query(`
        CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '30s' AS
          'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN OLD; END';
        CREATE TRIGGER hold BEFORE DELETE ON crawler.checkpoint_revision FOR EACH ROW
          WHEN (OLD.stream = 'twitter/l1' AND OLD.version = 1) EXECUTE FUNCTION public.hold();
        SELECT pg_advisory_lock(1)`)
      const running = runRetentionOnce(one, SETTINGS)
      await statementsWaitingForLocks(client, 1)
      expect(await runRetentionOnce(other, SETTINGS)).toEqual({ revisions: 0, lists: 0, sessions: 0, keyPartitions: 0 })
      expect(await deleted()).toEqual(new Map())
      await client.query('SELECT pg_advisory_unlock(1)')
      expect(await running).toMatchObject({ revisions: OLD.checkpoint_revision, sessions: OLD.crawl_session })
    })
  })

  it('of a server is what its settings say', async () => {
    const left = async () => {
      const [row] = await stored.query<Record<string, number>>(`SELECT
        (SELECT count(*)::integer FROM crawler.checkpoint_revision) AS revisions,
        (SELECT count(*)::integer FROM crawler.crawl_session) AS sessions,
        (SELECT count(*)::integer FROM crawler.item_list) AS lists,
        (SELECT count(*)::integer FROM crawler.log_partition
          WHERE parent = 'feed_event' AND opened_at > now() - interval '1 hour') AS opened`)
      return row
    }
    const keepsAll = { HISTORY_KEEP_REVISIONS: '5', HISTORY_RETENTION_DAYS: '61' }
    const keepsSome = { HISTORY_KEEP_REVISIONS: '5', HISTORY_RETENTION_DAYS: '58', SESSION_RETENTION_DAYS: '8' }
    const revisions = 1_502 + 100 * 10
    for (const [settings, kept] of [
      [keepsAll, { revisions, sessions: OLD.crawl_session, lists: 0, opened: 1 }],
      [
        { ...keepsAll, SESSION_RETENTION_DAYS: '9' },
        { revisions, sessions: OLD.crawl_session, lists: 0, opened: 1 },
      ],
      [keepsSome, { revisions: 101 * 5, sessions: 0, lists: 0, opened: 1 }],
    ] as const) {
      // A run ends with the feed's partitions, so that it is seen also where it leaves the rest.
      await stored.query(
        `UPDATE crawler.log_partition SET opened_at = now() - interval '15 hours' WHERE opened_at IS NOT NULL`,
      )
      const app = await startOn(stored.url, settings, { pruneEachMs: 10 })
      try {
        await expect.poll(left, { timeout: 30_000 }).toEqual(kept)
      } finally {
        await app.close()
      }
      expect(await left()).toEqual(kept)
    }
  })
})
