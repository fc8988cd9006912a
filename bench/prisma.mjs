// Compares each of our statements with what Prisma sends for the same, in turn: docs/adr/0019-prisma-and-sql.md.
// npm run bench:prisma [-- --rounds 5 --reads 4000 --only streams]
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { createCheckpointLoaders } from '../dist/crawl/checkpoint/loaders.js'
import { createSaveWriter } from '../dist/crawl/save/store.js'
import { countCheckpoints, listCheckpoints } from '../dist/crawl/checkpoint/store.js'
import { openDatabase } from '../dist/database/database.js'
import { startEmbedded } from '../dist/database/embedded/embedded.js'
import { createGroupCommit } from '../dist/concurrency/group-commit.js'
import { migrate } from '../dist/database/migrations/migrate.js'
import { countSessions, sessionStats } from '../dist/crawl/session/count-store.js'
import { listSessions } from '../dist/crawl/session/list-store.js'
import { createSessionLoaders } from '../dist/crawl/session/loaders.js'
import { markStopRequested, recordHeartbeat } from '../dist/crawl/lease/store.js'
import { listStreams } from '../dist/stream/settings-store.js'
import { createUserLoaders } from '../dist/user/loaders.js'
import { fill, MIXED_KIND, SMALL } from './dataset.mjs'
import { cpuSecondsBelow, parentOf } from './processes.mjs'

const { values: options } = parseArgs({
  options: {
    /** Counted rounds; one more comes first, to warm up. */
    rounds: { type: 'string', default: '5' },
    /** Reads of each work in each round. Works that read many rows get a fortieth. */
    reads: { type: 'string', default: '4000' },
    /** The beginning of the names of works to run. */
    only: { type: 'string', default: '' },
  },
})
const AT_ONCE = 16
const MANY = 1 / 40
const STREAM = 'twitter/bookmarks'

const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
const database = openDatabase({
  ...{ url: postgres.url, poolSize: 10, connectTimeoutMs: 4_000, statementTimeoutMs: 60_000 },
  log: quiet,
})
const { prisma } = database
// As in operations: reads and saves at the same time share a statement.
const checkpoints = createCheckpointLoaders(database, 'all')
const sessions = createSessionLoaders(database, 'all')
const users = createUserLoaders(database, 'all')
const { submit } = createGroupCommit(createSaveWriter(database), { maxSetSize: 1_000 })

/** The ID of a user with the most common stream. */
const userOf = (n) => `user-${String(((n * 200) % SMALL.users) + 1 + (n % 90)).padStart(7, '0')}`
const sessionOf = (n) => `${userOf(n)}-10`
const first = (limit) => ({ limit, backward: false, after: undefined, before: undefined })
const newest = { order: { by: 'STARTED', direction: 'DESC' }, page: first(20), columns: 'summary', positions: true }
const summary = {
  ...{ sessionId: true, userId: true, stream: true, startedAt: true, completedAt: true, status: true },
  bookmarksProcessed: true,
}
const byStart = [{ startedAt: 'desc' }, { sessionId: 'desc' }]
const failed = { statuses: ['failed'] }
const save = (n) => ({
  ...{ userId: userOf(n), stream: STREAM, itemId: `18000000000${String(n).padStart(8, '0')}`, bookmarksCount: n },
  ...{ actor: 'bench', importing: false, outOfReach: false },
})
const keyOf = (n) => ({ userId_stream: { userId: userOf(n), stream: STREAM } })
const report = { bookmarksProcessed: undefined, metrics: undefined, rateLimitedUntil: undefined }

/** The name, our function, Prisma's, and the share of the reads. */
const works = [
  [
    'a checkpoint by key',
    (n) => checkpoints.byKey.literal.load({ userId: userOf(n), stream: STREAM }),
    (n) => prisma.checkpoint.findUnique({ where: keyOf(n) }),
  ],
  [
    'a checkpoint by key, with its state',
    (n) => checkpoints.byKey.all.load({ userId: userOf(n), stream: STREAM }),
    (n) => prisma.checkpoint.findUnique({ where: keyOf(n), include: { state: true } }),
  ],
  [
    'a session by key',
    (n) => sessions.byId.load(sessionOf(n)),
    (n) => prisma.crawlSession.findUnique({ where: { sessionId: sessionOf(n) } }),
  ],
  ['a user by key', (n) => users.byId.load(userOf(n)), (n) => prisma.user.findUnique({ where: { userId: userOf(n) } })],
  [
    '20 newest sessions of a user',
    (n) => sessions.ofUser.load({ userId: userOf(n), filter: {}, ...newest, positions: false }),
    (n) =>
      prisma.user.findUnique({
        where: { userId: userOf(n) },
        select: { sessions: { take: 21, orderBy: byStart, select: summary } },
      }),
  ],
  [
    '20 newest sessions',
    () => listSessions(database, 'all', { filter: {}, ...newest }),
    () => prisma.crawlSession.findMany({ take: 21, orderBy: byStart, select: summary }),
  ],
  [
    '20 latest checkpoints',
    () => listCheckpoints(database, 'all', {}, 'DESC', first(20), 'literal'),
    () =>
      prisma.checkpoint.findMany({
        take: 21,
        orderBy: [{ lastCrawledAt: 'desc' }, { userId: 'desc' }, { stream: 'desc' }],
      }),
  ],
  [
    'a count of failed sessions',
    () => countSessions(database, 'all', failed),
    () => prisma.crawlSession.count({ where: { status: 'failed' } }),
    MANY,
  ],
  [
    'a count of the checkpoints of a platform',
    () => countCheckpoints(database, 'all', { platform: { slug: 'reddit' } }),
    () => prisma.checkpoint.count({ where: { stream: { startsWith: 'reddit/' } } }),
    MANY,
  ],
  [
    'sessionStats',
    () => sessionStats(database, 'all', {}),
    () => prisma.crawlSession.groupBy({ by: ['status'], _count: true, _sum: { bookmarksProcessed: true } }),
    MANY,
  ],
  [
    'streams',
    () => listStreams(database, 'all'),
    () =>
      Promise.all([
        prisma.checkpoint.groupBy({ by: ['stream'] }),
        prisma.crawlSession.groupBy({ by: ['stream'] }),
        prisma.streamSetting.findMany(),
      ]),
    MANY,
  ],
  [
    'the oldest checkpoint of a stream',
    () => checkpoints.oldestOfStream.load('reddit/saved'),
    () => prisma.checkpoint.findFirst({ where: { stream: 'reddit/saved' }, orderBy: { lastCrawledAt: 'asc' } }),
  ],
  [
    "a save, beside Prisma's upsert, which judges and records nothing",
    (n) => submit(save(n)),
    (n) => {
      const { userId, stream, itemId: lastItemId, bookmarksCount } = save(n)
      const update = { lastItemId, bookmarksCount }
      return prisma.checkpoint.upsert({ where: keyOf(n), create: { userId, stream, ...update }, update })
    },
  ],
  [
    "a heartbeat, beside Prisma's update, which judges nothing",
    (n) => recordHeartbeat(database, 'all', sessionOf(n), report),
    (n) => prisma.crawlSession.update({ where: { sessionId: sessionOf(n) }, data: { heartbeatAt: new Date() } }),
  ],
  [
    "a stop request, beside Prisma's updateMany, which forgets the first time",
    (n) => markStopRequested(database, 'all', sessionOf(n)),
    (n) =>
      prisma.crawlSession.updateMany({
        where: { sessionId: sessionOf(n), status: 'running' },
        data: { stopRequestedAt: new Date() },
      }),
  ],
].filter(([what]) => what.startsWith(options.only))

try {
  await client.connect()
  const postmaster = parentOf(client.processID)
  await migrate({ databaseUrl: postgres.url })
  await fill(client, SMALL, MIXED_KIND)
  process.stdout.write('us of a processor each, of this process + of PostgreSQL\n')
  for (const work of works) {
    const [sql, byPrisma] = await compare(work, postmaster)
    process.stdout.write(`${work[0]}: ${sql} by SQL, ${byPrisma} by Prisma\n`)
  }
} finally {
  await database.close()
  await client.end()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

async function compare([, ours, theirs, share = 1], postmaster) {
  const samples = [[], []]
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const [place, read] of [ours, theirs].entries()) {
      const sample = await measure(read, Number(options.reads) * share, postmaster)
      if (round > 0) samples[place].push(sample)
    }
  }
  return samples.map((each) =>
    ['own', 'postgres'].map((of) => Math.round(median(each.map((it) => it[of])))).join(' + '),
  )
}

async function measure(read, reads, postmaster) {
  const before = { own: process.cpuUsage(), postgres: cpuSecondsBelow(postmaster) }
  let n = 0
  const run = async () => {
    while (n < reads) await read((n += 1))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, run))
  const { user, system } = process.cpuUsage(before.own)
  return { own: (user + system) / reads, postgres: ((cpuSecondsBelow(postmaster) - before.postgres) * 1e6) / reads }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}
