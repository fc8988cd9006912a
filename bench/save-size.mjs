// Measures what saves take in the database: bytes of the write-ahead log for each save, and bytes of each kind of row
// with its indexes. docs/scaling.md calculates with these figures.
// npm run bench:size [-- --lists 500 --sessions 5 --saves 20]
// It ends after about a minute.
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startServer, stopAll, here } from './processes.mjs'

const { values } = parseArgs({
  options: {
    lists: { type: 'string', default: '500' },
    sessions: { type: 'string', default: '5' },
    saves: { type: 'string', default: '20' },
  },
})
const [lists, sessions, saves] = [values.lists, values.sessions, values.saves].map(Number)
const AT_ONCE = 8
const STREAM = 'twitter/bookmarks'
/** A page token of X has about as many characters. */
const TOKEN_LENGTH = 50
/** A page of X has 20 items by default. */
const HEAD_LENGTH = 20

/** The tables, and what one row of each is. */
const TABLES = {
  feed_event: 'an event of the feeds',
  idempotency_key: 'an idempotency key',
  checkpoint_revision: 'a revision',
  item_list: 'a list of item IDs: a head, or anchors',
  crawl_session: 'a session',
  crawl_state: 'the state of a list',
  crawl_checkpoint: 'a checkpoint',
}

const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
try {
  await client.connect()
  const { url } = await startServer([here('../dist/main.js'), 'serve'], {
    DATABASE_URL: postgres.url,
    LOG_LEVEL: 'info',
  })
  await client.query(
    `INSERT INTO public."user" (id) SELECT 'user-' || n FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING`,
    [lists],
  )
  // Pages that exist already are written to the log in whole after a checkpoint: the first round takes that.
  await crawl(url, 0)
  const before = await measure()
  for (let round = 1; round < sessions; round += 1) await crawl(url, round)
  const after = await measure()
  report(before, after)
} finally {
  await client.end()
  await stopAll()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Crawls each list once: a session that saves each page and completes. */
async function crawl(url, round) {
  const waiting = Array.from({ length: lists }, (_, index) => `user-${index + 1}`)
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let userId = waiting.pop(); userId; userId = waiting.pop()) await crawlList(url, userId, round)
    }),
  )
}

async function crawlList(url, userId, round) {
  const sessionId = `${userId}-${round}`
  await send(url, 'startSession', 'StartSessionInput', { userId, stream: STREAM, sessionId })
  const firstId = BigInt(round + 1) * 1_000_000_000_000n
  for (let page = 0; page < saves; page += 1) {
    const itemIds = Array.from({ length: HEAD_LENGTH }, (_, item) => String(firstId + BigInt(page * 1_000 + item)))
    await send(url, 'saveCheckpoint', 'SaveCheckpointInput', {
      userId,
      stream: STREAM,
      sessionId,
      itemId: itemIds.at(-1),
      pageToken: randomUUID().repeat(2).slice(0, TOKEN_LENGTH),
      ...(page === 0 && { headItemIds: itemIds }),
      bookmarksAdded: itemIds.length,
      idempotencyKey: randomUUID(),
    })
  }
  await send(url, 'completeSession', 'CompleteSessionInput', { sessionId })
}

async function send(url, field, type, input) {
  const query = `mutation ($input: ${type}!) { result: ${field}(input: $input) { __typename ... on UserError { message } } }`
  for (;;) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { input } }),
    })
    const { data, errors } = await response.json()
    if (data?.result.__typename.endsWith('Success')) return
    // On a busy machine. Nothing of it was done.
    if (errors?.[0].extensions.code !== 'OVERLOADED') throw new Error(JSON.stringify(errors ?? data))
    await sleep(200)
  }
}

/** The position in the log, and the size and rows of each table. */
async function measure() {
  const { rows: log } = await client.query(`SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes`)
  const tables = {}
  for (const table of Object.keys(TABLES)) {
    const { rows } = await client.query(
      `SELECT (SELECT count(*) FROM crawler.${table}) AS count,
         coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('crawler.${table}') WHERE isleaf),
           pg_total_relation_size('crawler.${table}')) AS bytes`,
    )
    tables[table] = { count: Number(rows[0].count), bytes: Number(rows[0].bytes) }
  }
  return { logBytes: Number(log[0].bytes), tables }
}

function report(before, after) {
  const written = lists * (sessions - 1) * saves
  const started = lists * (sessions - 1)
  console.log(`${written} saves with keys of ${lists} lists, in ${started} sessions\n`)
  console.log('| what | bytes |\n| --- | --- |')
  const line = (what, bytes) => console.log(`| ${what} | ${Math.round(bytes)} |`)
  line('write-ahead log, for each save', (after.logBytes - before.logBytes) / written)
  for (const [table, what] of Object.entries(TABLES)) {
    const rows = after.tables[table].count - before.tables[table].count
    // What grows by its number of rows. A table of a row for each list grows by dead rows only: the whole is divided.
    if (rows > 0) line(`${what}, with its indexes`, (after.tables[table].bytes - before.tables[table].bytes) / rows)
    else if (after.tables[table].count > 0) {
      line(`${what}, with its indexes and dead rows`, after.tables[table].bytes / after.tables[table].count)
    }
  }
}
