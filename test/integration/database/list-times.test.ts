import { describe, expect, it } from 'vitest'
import { migrate, repair } from '../../../src/database/migrations/migrate.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { clientOf, startOn } from '../../support/waymark.ts'
import { takeBackFrom } from './rollback.ts'

/** A database as it stood before checkpoints had full passes, catch-ups and the times of their lists. */
async function databaseBeforeLists(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  await takeBackFrom(database, '008_lists')
  return database
}

const day = (number: number) => `2026-01-${String(number).padStart(2, '0')}T00:00:00.000Z`
/** Lists by the name of their user: its sessions as [started on, completed on, status]. */
const SESSIONS: Record<string, (readonly [number, number | null, string])[]> = {
  twice: [
    [1, 2, 'completed'],
    [3, 4, 'completed'],
  ],
  failing: [
    [5, 6, 'completed'],
    [9, 10, 'failed'],
  ],
  running: [[7, null, 'running']],
  cleared: [[2, 3, 'completed']],
  'cleared-and-crawled': [
    [2, 3, 'completed'],
    [11, 12, 'completed'],
  ],
  'rolled-back': [[2, 3, 'completed']],
  empty: [[8, 8, 'completed']],
  'never-crawled': [],
}
const WITHOUT_CHECKPOINT = ['cleared', 'empty']
/** [lastStartedAt, lastCompletedAt] */
const TIMES = {
  twice: [day(3), day(4)],
  failing: [day(9), day(6)],
  running: [day(7), null],
  'cleared-and-crawled': [day(11), day(12)],
  'rolled-back': [day(2), day(3)],
  'never-crawled': [null, null],
}

async function fill(database: TestDatabase): Promise<void> {
  await withClient(database.url, async (client) => {
    for (const [userId, sessions] of Object.entries(SESSIONS)) {
      await client.query('INSERT INTO public."user" VALUES ($1)', [userId])
      if (!WITHOUT_CHECKPOINT.includes(userId)) {
        await client.query(`INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, '20')`, [userId])
      }
      for (const [place, [started, completed, status]] of sessions.entries()) {
        await client.query(
          `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status) VALUES ($1, $2, $3, $4, $5)`,
          [`${userId}-${place}`, userId, day(started), completed && day(completed), status],
        )
      }
    }
    // Some have a state, as those that Waymark saved; adopted ones have none.
    await client.query(`INSERT INTO crawler.crawl_state (user_id, stream, version, complete)
      SELECT id, 'twitter/bookmarks', 3, true FROM public."user" WHERE id IN ('twice', 'cleared', 'cleared-and-crawled', 'rolled-back')`)
    await client.query(
      `INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, last_item_id, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
       SELECT id, 'twitter/bookmarks', 2, CASE id WHEN 'rolled-back' THEN 'ROLLBACK' ELSE 'CLEAR' END, NULL, 0, 0, false, 0, $1
       FROM public."user" WHERE id IN ('cleared', 'cleared-and-crawled', 'rolled-back')`,
      [day(4)],
    )
  })
}

async function readTimes(url: string) {
  const app = await startOn(url)
  try {
    const { ask } = clientOf(app.url)
    const { dueLists, checkpoints } = await ask(`{
      dueLists(stream: "twitter/bookmarks", completedBefore: "2026-02-01T00:00:00Z") { nodes { userId lastStartedAt checkpoint { lastCompletedAt } } }
      checkpoints(orderBy: LAST_COMPLETED_AT_ASC) { nodes { userId } } }`)
    return { due: dueLists.nodes, order: checkpoints.nodes.map(({ userId }: { userId: string }) => userId) as string[] }
  } finally {
    await app.close()
  }
}

describe('lists that stand in a database before 008', () => {
  it('get the times of their last start and completion, of which a clear forgets the second', async () => {
    await using database = await databaseBeforeLists()
    await fill(database)
    await migrate({ databaseUrl: database.url })
    const { due, order } = await readTimes(database.url)
    const told = due.map((list: Record<string, any>) => [
      list['userId'],
      [list['lastStartedAt'], list['checkpoint'] ? list['checkpoint'].lastCompletedAt : 'none'],
    ])
    expect(Object.fromEntries(told)).toEqual({
      ...TIMES,
      cleared: [day(2), 'none'],
      empty: [day(8), 'none'],
    })
    // Longest ago first: what was never started, then as it was started.
    expect(told.map(([userId]: [string]) => userId)).toEqual([
      ...['never-crawled', 'cleared', 'rolled-back', 'twice', 'running', 'empty', 'failing', 'cleared-and-crawled'],
    ])
    expect(order).toEqual(['never-crawled', 'running', 'rolled-back', 'twice', 'failing', 'cleared-and-crawled'])
    const completed = await database.query(
      `SELECT user_id, last_completed_at FROM crawler.crawl_state WHERE user_id IN ('cleared', 'empty') ORDER BY 1`,
    )
    expect(completed).toEqual([
      { user_id: 'cleared', last_completed_at: null },
      { user_id: 'empty', last_completed_at: new Date(day(8)) },
    ])
  })

  it('keep what was written since, also where somebody repairs the database', async () => {
    await using database = await databaseBeforeLists()
    await fill(database)
    await migrate({ databaseUrl: database.url })
    const app = await startOn(database.url)
    try {
      const { ask } = clientOf(app.url)
      await ask('mutation { clearCheckpoint(input: { userId: "twice" }) { __typename } }')
      await ask('mutation { startSession(input: { userId: "failing", sessionId: "new" }) { __typename } }')
      await ask('mutation { completeSession(input: { sessionId: "new" }) { __typename } }')
    } finally {
      await app.close()
    }
    const read = () =>
      database.query('SELECT user_id, last_started_at, last_completed_at, version FROM crawler.crawl_state ORDER BY 1')
    const before = await read()
    await repair({ databaseUrl: database.url })
    expect(await read()).toEqual(before)
  })

  it('are filled while others write: it waits for a row that somebody holds, and holds none meanwhile', async () => {
    await using database = await databaseBeforeLists()
    await fill(database)
    await migrate({ databaseUrl: database.url })
    const read = () => database.query('SELECT user_id, last_started_at FROM crawler.crawl_state ORDER BY 1')
    const filled = await read()
    await takeBackFrom(database, '011_list_times')
    await database.query('UPDATE crawler.crawl_state SET last_started_at = NULL')
    await withClient(database.url, async (holder) => {
      await holder.query(`BEGIN; SELECT FROM crawler.crawl_state WHERE user_id = 'twice' FOR UPDATE`)
      const migrating = migrate({ databaseUrl: database.url })
      const waiting = () =>
        database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CALL%' AND wait_event_type = 'Lock'`,
        )
      await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(1)
      await withClient(database.url, async (writer) => {
        await writer.query(`SET lock_timeout = '1s'`)
        await writer.query(`UPDATE crawler.crawl_state SET version = version + 1 WHERE user_id <> 'twice'`)
      })
      await holder.query('COMMIT')
      await migrating
    })
    expect(await read()).toEqual(filled)
  })
})
