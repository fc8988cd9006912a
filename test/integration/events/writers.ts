import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { SeededRandom } from '../../support/crawl-random.ts'
import type { TestDatabase } from '../../support/database.ts'

/** Each change of a row by one of these is one event; the row itself counts them. */
const CHANGES = `
  CREATE FUNCTION public.change_session(id text, times integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    FOR change IN 1..times LOOP
      UPDATE crawler.crawl_session SET bookmarks_processed = bookmarks_processed + 1, status = CASE status
        WHEN 'running' THEN 'completed' WHEN 'completed' THEN 'stopped' WHEN 'stopped' THEN 'failed' ELSE 'running' END
      WHERE session_id = id;
    END LOOP;
  END $$;
  CREATE FUNCTION public.change_checkpoint(of_user text, times integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    FOR change IN 1..times LOOP
      UPDATE crawler.twitter_crawl_checkpoint SET bookmarks_count = bookmarks_count + 1 WHERE user_id = of_user;
    END LOOP;
  END $$;
  CREATE FUNCTION public.save_checkpoint(of_user text, times integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM crawler.save_checkpoints((
      SELECT json_agg(json_build_object('place', n, 'user_id', of_user, 'stream', 'twitter/bookmarks', 'item_id', '20', 'addition', 1))
      FROM generate_series(1, times) n), false);
  END $$;
  CREATE FUNCTION public.change_in_vain(change text, id text, times integer) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    EXECUTE format('SELECT public.%I($1, $2)', change) USING id, times;
    RAISE EXCEPTION 'in vain';
  EXCEPTION WHEN raise_exception THEN NULL;
  END $$`

const EVENTS_PER_CHANGE = 50
/** What is rolled back costs as much and counts for nothing. */
const EVENTS_IN_VAIN = 4

interface Row {
  readonly id: string
  readonly change: 'change_session' | 'change_checkpoint' | 'save_checkpoint'
}

/** Sessions and checkpoints that more writers than one fight over. */
export async function prepareRows(database: TestDatabase, count: number): Promise<void> {
  await database.query(CHANGES)
  await database.query(
    `INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, ${count}) n;
     INSERT INTO crawler.crawl_session (session_id, user_id, started_at)
       SELECT 'session-' || n, 'user-' || n, now() FROM generate_series(1, ${count}) n;
     INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) SELECT 'user-' || n, '20' FROM generate_series(1, ${count}) n`,
  )
}

/**
 * Writes transactions over two rows each on a connection of its own, until it has committed its share of events: slow ones, rolled
 * back ones, with savepoints (also where the first write is undone), with exception blocks, raw and by Waymark's functions.
 */
export async function writeTransactions(
  url: string,
  options: {
    readonly random: SeededRandom
    readonly rows: number
    readonly events: number
    readonly onCommit: () => void
  },
): Promise<number> {
  const { random, rows, onCommit } = options
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  let committed = 0
  try {
    while (committed < options.events) {
      const [first, second] = pickRows(random, rows)
      const change = (row: Row, times = EVENTS_PER_CHANGE) =>
        client.query(`SELECT public.${row.change}($1, $2)`, [row.id, times])
      const inVain = (row: Row) =>
        client.query('SELECT public.change_in_vain($1, $2, $3)', [row.change, row.id, EVENTS_IN_VAIN])
      const isSlow = random.below(3) === 0
      const pause = () => (isSlow ? delay(random.below(25)) : undefined)
      await client.query('BEGIN')
      switch (random.below(6)) {
        case 0:
          // Its first lock on the outbox is given back.
          await client.query('SAVEPOINT undone')
          await change(first, EVENTS_IN_VAIN)
          await client.query('ROLLBACK TO undone')
          break
        case 1:
          await inVain(first)
          break
        case 2:
          await change(first, EVENTS_IN_VAIN)
          await pause()
          await client.query('ROLLBACK')
          continue
      }
      await pause()
      await change(first)
      await pause()
      if (random.below(3) === 0) {
        await client.query('SAVEPOINT undone')
        await change(second, EVENTS_IN_VAIN)
        await pause()
        await client.query('ROLLBACK TO undone')
      }
      if (random.below(3) === 0) await inVain(second)
      await change(second)
      await pause()
      await client.query('COMMIT')
      committed += 2 * EVENTS_PER_CHANGE
      onCommit()
    }
  } finally {
    await client.end()
  }
  return committed
}

/** Two different ones, always taken in the same order so that writers wait for each other and never in a circle. */
function pickRows(random: SeededRandom, rows: number): [Row, Row] {
  const one = random.below(2 * rows)
  const other = (one + 1 + random.below(2 * rows - 1)) % (2 * rows)
  const row = (place: number): Row =>
    place < rows
      ? { id: `session-${place + 1}`, change: 'change_session' }
      : { id: `user-${place - rows + 1}`, change: random.below(2) === 0 ? 'change_checkpoint' : 'save_checkpoint' }
  return [row(Math.min(one, other)), row(Math.max(one, other))]
}
