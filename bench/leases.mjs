// Measures a tick of the reaper with many live leases: when little is due, after an outage of 3 s, and while leases run
// out. Also how long the former outage's rewrite of every lease takes.
// node bench/leases.mjs [--leases 1000000]
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'

const { values: options } = parseArgs({ options: { leases: { type: 'string', default: '1000000' } } })
const leases = Number(options.leases)
const TICKS = 60
const LEASE_SECONDS = 600
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

/** Ticks as the server does. @returns the times, milliseconds, sorted */
async function tick(count, before = async () => {}) {
  const times = []
  for (let n = 0; n < count; n += 1) {
    await before()
    const startedAt = performance.now()
    await client.query('SELECT * FROM crawler.reaper_tick(NULL, true)')
    times.push(performance.now() - startedAt)
  }
  return times.sort((a, b) => a - b)
}

function report(what, times) {
  const [median, most] = [times[Math.floor(times.length / 2)], times.at(-1)].map((ms) => ms.toFixed(1))
  say(`| ${what} | ${median} | ${most} |`)
}

try {
  await migrate({ databaseUrl: postgres.url })
  await client.connect()
  // As a load of that many sessions; their triggers would write as many events.
  await client.query(`SET session_replication_role = replica; SET synchronous_commit = off; SET statement_timeout = 0`)
  await client.query(`INSERT INTO public."user" (id) SELECT 'user-' || n FROM generate_series(1, $1 / 10) n`, [leases])
  await client.query(
    `INSERT INTO crawler.crawl_session
      (session_id, user_id, stream, epoch, lease_seconds, lease_expires_at, position_moved_at, heartbeat_at)
    SELECT gen_random_uuid(), 'user-' || 1 + n % ($1 / 10), 'twitter/list-' || n, 1, $2::integer,
      clock_timestamp() + (3600 + $2::integer * n::float8 / $1) * interval '1 second', 'infinity', clock_timestamp()
    FROM generate_series(1, $1) n`,
    [leases, LEASE_SECONDS],
  )
  await client.query(`INSERT INTO crawler.lease_look SELECT session_id, lease_expires_at FROM crawler.crawl_session`)
  await client.query('RESET session_replication_role')
  await client.query('VACUUM ANALYZE')
  say(`${leases.toLocaleString('en')} live leases, ${TICKS} ticks each\n`)
  say('| a tick | median, ms | most, ms |\n| --- | ---: | ---: |')
  const dueEachSecond = Math.ceil(leases / LEASE_SECONDS)
  const makeDue = () =>
    client.query(
      `UPDATE crawler.lease_look SET look_at = clock_timestamp() WHERE session_id IN (
        SELECT session_id FROM crawler.lease_look WHERE look_at > clock_timestamp() LIMIT $1)`,
      [Math.min(dueEachSecond, 1_000)],
    )
  await tick(5)
  report('where nothing is due', await tick(TICKS))
  report(`where ${Math.min(dueEachSecond, 1_000).toLocaleString('en')} leases were renewed`, await tick(TICKS, makeDue))
  report(
    'after an outage of 3 s',
    await tick(TICKS, () => client.query(`UPDATE crawler.reaper SET ticked_at = ticked_at - interval '3 seconds'`)),
  )
  report(
    'where 200 leases ran out',
    await tick(TICKS, () =>
      client.query(
        `UPDATE crawler.crawl_session SET lease_expires_at = clock_timestamp() - interval '2 hours' WHERE session_id IN (
          SELECT session_id FROM crawler.crawl_session WHERE status = 'running' LIMIT 200)`,
      ),
    ),
  )
  const fresh = []
  for (let n = 0; n < TICKS; n += 1) {
    await client.query('UPDATE crawler.reaper SET ticked_at = crawler.clock()')
    const startedAt = performance.now()
    await client.query('SELECT * FROM crawler.reaper_tick(NULL, false)')
    fresh.push(performance.now() - startedAt)
  }
  report(
    'where another has just looked',
    fresh.sort((a, b) => a - b),
  )
  // What an outage cost before: every lease was written anew. A tenth of them, since it takes long.
  const startedAt = performance.now()
  const { rowCount } = await client.query(
    `UPDATE crawler.crawl_session SET lease_expires_at = lease_expires_at + interval '1 second' WHERE session_id IN (
      SELECT session_id FROM crawler.crawl_session WHERE status = 'running' LIMIT $1)`,
    [Math.ceil(leases / 10)],
  )
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  say(`\nTo write ${rowCount.toLocaleString('en')} of the leases anew, as an outage did before: ${seconds} s`)
} finally {
  await cleanUp()
}
