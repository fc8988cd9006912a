import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { countActivity } from '../../../src/crawl/activity/store.ts'
import { countRevisions } from '../../../src/crawl/history/store.ts'
import { countCheckpoints } from '../../../src/crawl/checkpoint/list-store.ts'
import { type Database, forCaller } from '../../../src/database/database.ts'
import type { Lane } from '../../../src/concurrency/gate.ts'
import { Patience } from '../../../src/concurrency/patience.ts'
import { scan } from '../../../src/database/scan.ts'
import { countSessions, countSessionsOfUsers, sessionStats } from '../../../src/crawl/session/count-store.ts'
import { countPrunable, deletePrunable } from '../../../src/crawl/session/prune-store.ts'
import { countUsers } from '../../../src/user/store.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'

/** Of one user; the other user has none. */
const ROWS = 30_000
const STREAM = 'twitter/bookmarks'
const anyCheckpoint = {
  userId: undefined,
  stream: undefined,
  platform: undefined,
  crawledBefore: undefined,
  crawledAfter: undefined,
  completedBefore: undefined,
  running: undefined,
  paused: undefined,
  complete: undefined,
}
const sessionsOf = (userId: string | undefined) => ({
  ...{ userId, stream: undefined, platform: undefined, statuses: undefined, stalled: undefined },
  ...{ startedBefore: undefined, startedAfter: undefined, completedBefore: undefined, completedAfter: undefined },
})
const prunableOf = (userId: string) => ({
  ...{ completedBefore: { daysAgo: 1 }, statuses: undefined, userId, stream: undefined },
})
const days = { start: new Date(Date.UTC(2026, 0, 1)), bucketSeconds: 86_400, count: 400 }

let testDatabase: TestDatabase
let own: Database
let database: Database
let scannedMs: number[] = []
let lanes: (Lane | undefined)[] = []
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  own = openQuietDatabase(testDatabase.url, { poolSize: 4, statementTimeoutMs: 30_000 })
  // Without the triggers: nobody follows these rows, and they are thirty thousand.
  await testDatabase.query(`SET session_replication_role = replica;
    INSERT INTO public."user" VALUES ('busy'), ('idle');
    INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, ${ROWS}) n;
    INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) SELECT id, '1' FROM public."user" WHERE id LIKE 'user-%';
    INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status, bookmarks_processed)
      SELECT 'session-' || n, 'busy', '2026-01-01', '2026-01-02', 'completed', 1 FROM generate_series(1, ${ROWS}) n;
    INSERT INTO crawler.checkpoint_revision
        (user_id, stream, version, source, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
      SELECT 'busy', '${STREAM}', n, 'SAVE', 0, 0, false, 0, '2026-01-01' FROM generate_series(1, ${ROWS}) n;
    ANALYZE`)
  const run = own.gate.run.bind(own.gate)
  vi.spyOn(own.gate, 'run').mockImplementation((work, patience, lane) => {
    lanes.push(lane)
    return run(work, patience, lane)
  })
  database = forCaller(own, () => new Patience(10_000), { onScanned: (ms) => scannedMs.push(ms) })
})
afterAll(async () => {
  await own.close()
  await testDatabase[Symbol.asyncDispose]()
})

async function watched<Result>(work: () => Promise<Result>) {
  ;[scannedMs, lanes] = [[], []]
  const result = await work()
  return { result, scannedMs, lanes }
}

const counts: readonly [what: string, count: (userId: string) => Promise<unknown>, busy: unknown, idle: unknown][] = [
  ['sessions', (userId) => countSessions(database, 'all', sessionsOf(userId)), ROWS, 0],
  [
    "users' sessions",
    async (userId) => (await countSessionsOfUsers(database, 'all', [userId], sessionsOf(undefined))).get(userId),
    ROWS,
    undefined,
  ],
  [
    'statistics',
    (userId) => sessionStats(database, 'all', sessionsOf(userId)),
    { total: ROWS, running: 0, completed: ROWS, stopped: 0, failed: 0, bookmarksProcessed: ROWS },
    { total: 0, running: 0, completed: 0, stopped: 0, failed: 0, bookmarksProcessed: 0 },
  ],
  ['revisions', (userId) => countRevisions(database, 'all', { userId, stream: STREAM }), ROWS, 0],
  ['sessions to prune', (userId) => countPrunable(database, 'all', prunableOf(userId)), ROWS, 0],
  ['users', (userId) => countUsers(database, userId === 'busy' ? 'all' : new Set([userId])), ROWS + 2, 1],
  [
    'checkpoints',
    (userId) => countCheckpoints(database, 'all', userId === 'busy' ? anyCheckpoint : { ...anyCheckpoint, userId }),
    ROWS,
    0,
  ],
  [
    'activity',
    async (userId) =>
      (await countActivity(database, 'all', days, { userId, stream: undefined })).get(0)?.sessionsStarted,
    ROWS,
    undefined,
  ],
]

describe('a count', () => {
  it.each(counts)('of %s waits in lane scan, and tells how long it took', async (_, count, busy, idle) => {
    const few = await watched(() => count('idle'))
    expect(few).toEqual({ result: idle, scannedMs: [expect.any(Number)], lanes: ['scan'] })
    const many = await watched(() => count('busy'))
    expect(many).toEqual({ result: busy, scannedMs: [expect.any(Number)], lanes: ['scan'] })
    // Several of each: a busy machine may take long for a short one.
    const fastest = async (userId: string) => {
      const all = []
      for (let n = 0; n < 5; n += 1) all.push(...(await watched(() => count(userId))).scannedMs)
      return Math.min(...all)
    }
    expect(await fastest('busy')).toBeGreaterThan(2 * (await fastest('idle')))
  })
})

describe('a scan', () => {
  it('answers rows with numbers and text as a query does, and none where there are none', async () => {
    const text = `SELECT n, n / 4::float8 AS quarter, 'row "' || n || '" é' AS text, NULL::text AS nothing
      FROM generate_series(1, $1::integer) n`
    for (const count of [3, 0]) {
      const statement = { text, values: [count] }
      expect(await scan(database, statement)).toEqual(await database.query(statement))
    }
  })

  it('of the sessions that a prune deletes waits in lane scan', async () => {
    const { lanes: waited } = await watched(() => deletePrunable(database, 'all', prunableOf('idle'), undefined))
    expect(waited).toEqual(['scan'])
  })
})
