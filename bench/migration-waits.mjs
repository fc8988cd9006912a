// Measures how long writers wait while a database with many rows is migrated: one of the original project is adopted, and
// then one at migration 007 goes on to the newest. Statements that write each table run all the while.
// node bench/migration-waits.mjs [--rows 1000000]
import { chmod, cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'

const { values: options } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } })
const rows = Number(options.rows)
const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const { migrate } = await import('../dist/database/migrations/migrate.js')
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
const say = (text) => process.stdout.write(`${text}\n`)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void cleanUp().finally(() => process.exit(1)))

async function cleanUp() {
  await client.end().catch(() => undefined)
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Runs each statement again and again until the work is done. @returns the longest time of each, milliseconds */
async function whileWriting(statements, work) {
  const state = { isOver: false }
  const writing = Object.entries(statements).map(async ([table, text]) => {
    const writer = new pg.Client({ connectionString: postgres.url })
    await writer.connect()
    let longest = 0
    for (let n = 0; !state.isOver; n += 1) {
      const startedAt = performance.now()
      // The first migrations have no such column yet.
      await writer.query(text, [1 + (n % rows)])
      longest = Math.max(longest, performance.now() - startedAt)
      await sleep(1)
    }
    await writer.end()
    return [table, longest]
  })
  const startedAt = performance.now()
  await work().finally(() => (state.isOver = true))
  const seconds = (performance.now() - startedAt) / 1000
  return { seconds, waits: await Promise.all(writing) }
}

function report(what, { seconds, waits }) {
  for (const [table, ms] of waits) {
    say(
      `| ${what} (${seconds.toFixed(1)} s) | ${table} | ${Math.round(ms)} | ${((ms * 1e7) / rows / 1000).toFixed(1)} |`,
    )
  }
}

try {
  await client.connect()
  await client.query(`CREATE SCHEMA crawler;
    CREATE TABLE public."user" (id VARCHAR(255) PRIMARY KEY, name TEXT);
    CREATE TABLE crawler.twitter_crawl_checkpoint (
      user_id VARCHAR(255) PRIMARY KEY REFERENCES public."user" (id) ON DELETE CASCADE, last_tweet_id VARCHAR(255) NOT NULL,
      last_crawled_at TIMESTAMPTZ NOT NULL DEFAULT now(), bookmarks_count INTEGER NOT NULL DEFAULT 0,
      created_at TIMESTAMPTZ NOT NULL DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
    CREATE TABLE crawler.crawl_session (
      session_id VARCHAR(255) PRIMARY KEY, user_id VARCHAR(255) NOT NULL REFERENCES public."user" (id) ON DELETE CASCADE,
      started_at TIMESTAMPTZ NOT NULL DEFAULT now(), completed_at TIMESTAMPTZ, status VARCHAR(50) NOT NULL DEFAULT 'running',
      bookmarks_processed INTEGER NOT NULL DEFAULT 0, direct_import BOOLEAN NOT NULL DEFAULT false,
      enable_summarization BOOLEAN NOT NULL DEFAULT false, output_file_path TEXT, error_message TEXT)`)
  await client.query(`INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, $1::integer) n`, [rows])
  await client.query(
    `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) SELECT 'user-' || n, n FROM generate_series(1, $1::integer) n`,
    [rows],
  )
  await client.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id, status, completed_at)
    SELECT 's' || n, 'user-' || n, 'completed', now() FROM generate_series(1, $1::integer) n`,
    [rows],
  )
  await client.query('VACUUM ANALYZE')
  say(`${rows.toLocaleString('en')} rows in each table\n`)
  say('| what | table | longest wait, ms | of 10,000,000 rows, s (calculated) |\n| --- | --- | ---: | ---: |')
  const source = new URL('../prisma/migrations/', import.meta.url).pathname
  const before = join(folder, 'before')
  for (const name of await readdir(source))
    if (name < '008') await cp(join(source, name), join(before, name), { recursive: true })
  const writes = {
    'public."user"': `UPDATE public."user" SET name = 'x' WHERE id = 'user-' || $1::integer`,
    twitter_crawl_checkpoint: `UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '5' WHERE user_id = 'user-' || $1::integer`,
    crawl_session: `UPDATE crawler.crawl_session SET bookmarks_processed = 5 WHERE session_id = 's' || $1::integer`,
  }
  report('adopt, to 007', await whileWriting(writes, () => migrate({ databaseUrl: postgres.url, directory: before })))
  await client.query(
    `INSERT INTO crawler.crawl_state (user_id, stream, version) SELECT user_id, stream, 1 FROM crawler.crawl_checkpoint`,
  )
  await client.query(
    `INSERT INTO crawler.checkpoint_revision (user_id, stream, version, source, bookmarks_count, bookmarks_added, complete, epoch, recorded_at)
    SELECT user_id, stream, 1, 'SAVE', 0, 0, FALSE, 0, now() FROM crawler.crawl_checkpoint`,
  )
  await client.query('VACUUM ANALYZE')
  const laterWrites = {
    ...writes,
    crawl_state: `UPDATE crawler.crawl_state SET epoch = 0 WHERE user_id = 'user-' || $1::integer`,
    checkpoint_revision: `UPDATE crawler.checkpoint_revision SET epoch = 0 WHERE user_id = 'user-' || $1::integer`,
  }
  report(
    '007 to the newest',
    await whileWriting(laterWrites, () => migrate({ databaseUrl: postgres.url, directory: source })),
  )
} finally {
  await cleanUp()
}
