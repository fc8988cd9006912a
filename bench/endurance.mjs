// Saves by key at a set rate for a set time, on a database whose clock runs faster, so that a day of retention passes in
// minutes and every table turns over. Tells the sizes of tables and indexes after each sixth, a saver's p99 of the first
// and the last sixth, the lag of a feed, and whether a save was lost.
// node bench/endurance.mjs [--seconds 3600 --rate 2000 --speed 240]
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { pino } from 'pino'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3600' },
    rate: { type: 'string', default: '2000' },
    /** How many times as fast as time the database's clock runs: at 240 the keys of 24 h are kept for 6 minutes. */
    speed: { type: 'string', default: '240' },
  },
})
const [seconds, rate, speed] = [options.seconds, options.rate, options.speed].map(Number)
const PARTS = 6
const LISTS = 2_000
const SLICE_MS = 50
const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const { migrate } = await import('../dist/database/migrations/migrate.js')
const { startApp } = await import('../dist/app.js')
const { readConfig } = await import('../dist/config.js')
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
const say = (text) => process.stdout.write(`${text}\n`)
let app
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void cleanUp().finally(() => process.exit(1)))

async function cleanUp() {
  await app?.close()
  await client.end().catch(() => undefined)
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

async function ask(query, variables) {
  const answer = await fetch(app.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await answer.json()
  if (errors) throw new Error(errors[0].message)
  return data
}

const quantile = (values, part) => values.sort((a, b) => a - b)[Math.floor(values.length * part)] ?? NaN

try {
  await migrate({ databaseUrl: postgres.url })
  await client.connect()
  await client.query(`CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT to_timestamp(${Date.now() / 1000}) + (clock_timestamp() - to_timestamp(${Date.now() / 1000})) * ${speed}'`)
  await client.query(`UPDATE crawler.reaper SET ticked_at = crawler.clock();
    INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(1, ${LISTS}) n`)
  const settings = { PORT: '0', DATABASE_URL: postgres.url, HISTORY_KEEP_REVISIONS: '2', HISTORY_RETENTION_DAYS: '1' }
  const config = readConfig({ ...settings, FEED_RETENTION_HOURS: '12' })
  app = await startApp(config, pino({ level: 'silent' }), { pruneEachMs: 1_000 })
  const save = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`
  const latencies = Array.from({ length: PARTS }, () => [])
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  let sent = 0
  let saved = 0
  let failed = 0
  const open = new Set()
  async function saveOne(n, part) {
    const sentAt = performance.now()
    const input = {
      userId: `user-${1 + (n % LISTS)}`,
      itemId: String(1_000_000 + n),
      bookmarksAdded: 1,
      idempotencyKey: `key ${n}`,
    }
    try {
      const { saveCheckpoint } = await ask(save, { input })
      if (saveCheckpoint.__typename === 'SaveCheckpointSuccess') saved += 1
      else failed += 1
      latencies[part].push(performance.now() - sentAt)
    } catch {
      failed += 1
    }
  }
  say(`${rate} keyed saves/s for ${seconds} s, the clock at ${speed} times its speed\n`)
  say('| after, s | tables, MiB | indexes, MiB | p99, ms | saves/s |\n| ---: | ---: | ---: | ---: | ---: |')
  const sizes = []
  for (let part = 0; part < PARTS; part += 1) {
    const partEndsAt = startedAt + ((part + 1) * seconds * 1_000) / PARTS
    const before = saved
    for (let tick = performance.now(); tick < partEndsAt; tick = performance.now()) {
      const due = Math.floor(((tick - startedAt) / 1_000) * rate)
      for (; sent < due && open.size < 4_000; sent += 1) {
        const saving = saveOne(sent, part)
        open.add(saving)
        void saving.finally(() => open.delete(saving))
      }
      await sleep(SLICE_MS)
    }
    const { rows } =
      await client.query(`SELECT sum(pg_table_size(c.oid)) / 1048576.0 AS tables, sum(pg_indexes_size(c.oid)) / 1048576.0 AS indexes
      FROM pg_class c WHERE c.relnamespace = 'crawler'::regnamespace AND c.relkind = 'r'`)
    const [{ tables, indexes }] = rows
    sizes.push(Number(tables) + Number(indexes))
    const p99 = quantile(latencies[part], 0.99)
    say(
      `| ${Math.round((performance.now() - startedAt) / 1_000)} | ${Number(tables).toFixed(1)} | ${Number(indexes).toFixed(1)} | ${p99.toFixed(0)} | ${Math.round((saved - before) / (seconds / PARTS))} |`,
    )
  }
  await Promise.all(open)
  const [{ total }] = (
    await client.query('SELECT sum(bookmarks_count)::integer AS total FROM crawler.crawl_checkpoint')
  ).rows
  const { rows: retired } = await client.query(
    `SELECT parent, min(first_id) / 100000000000 AS retired FROM crawler.log_partition GROUP BY parent ORDER BY parent`,
  )
  const ready = await (await fetch(app.url.replace('/graphql', '/ready'))).json()
  say(
    `\nsaves answered ${saved}, failed ${failed}, counted in the database ${total}: ${total >= saved ? 'none lost' : 'LOST'}`,
  )
  say(`partitions retired: ${retired.map((row) => `${row.parent} ${row.retired}`).join(', ')}`)
  say(
    `p99 of the last sixth to the first: ${(quantile(latencies[PARTS - 1], 0.99) / quantile(latencies[0], 0.99)).toFixed(2)}`,
  )
  say(
    `size at the end to that after two sixths: ${(sizes.at(-1) / sizes[1]).toFixed(2)}; feed at the end: ${JSON.stringify(ready.feed)}`,
  )
} finally {
  await cleanUp()
}
