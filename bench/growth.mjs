// Measures whether Waymark slows down as a database grows: the same requests to a small and a large database, in one
// run, in one cluster, in turn. Also shows the plan of each filter on the large one, and the latency of saves during
// pruning there.
// npm run bench -- --large [--rounds 5 --requests 200 --only 'sessions;node' --users 1000000 --write --note '...']
import { fork } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { fill, LARGE, MIXED_KIND, SMALL } from './dataset.mjs'
import { explainAll, explainPruning } from './growth-plans.mjs'
import { reportGrowth } from './growth-report.mjs'
import { measureSaver } from './growth-saver.mjs'
import { works } from './growth-works.mjs'
import { here, stopAll } from './processes.mjs'
import { createKey, startWaymark } from './servers.mjs'

const { values: options } = parseArgs({
  options: {
    large: { type: 'boolean' },
    /** Counted rounds; one more comes first, to warm up. */
    rounds: { type: 'string', default: '5' },
    /** Requests of each work in each round. */
    requests: { type: 'string', default: '200' },
    /** The beginnings of works' names, and "plans" and "saver", separated by semicolons, since names have commas. */
    only: { type: 'string' },
    /** Users of the large database; fewer to try the benchmark. */
    users: { type: 'string', default: String(LARGE.users) },
    note: { type: 'string' },
    /** Writes GROWTH.md. */
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds)
const requests = Number(options.requests)
const users = Number(options.users)
const wanted = options.only?.split(';')
const isWanted = (name) =>
  wanted === undefined || wanted.some((word) => name.toLowerCase().startsWith(word.toLowerCase()))
const say = (text) => process.stderr.write(`${text}\n`)
const CONNECTIONS = 8
/** For each count: they read millions of rows. */
const COUNT_REQUESTS = 3

const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const { migrate } = await import('../dist/database/migrations/migrate.js')
const { verifySchema } = await import('../dist/database/migrations/verify.js')
const startedAt = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const clients = []
/** Cleans up as at a normal end: PostgreSQL runs apart from this process and would go on. */
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void cleanUp().finally(() => process.exit(1)))
let generator
let count = 0
try {
  const sets = [
    await prepareSet('small', SMALL),
    await prepareSet('large', { users, crawledUsers: Math.ceil((users * LARGE.crawledUsers) / LARGE.users) }),
  ]
  const [, large] = sets
  generator = fork(here('load.mjs'))
  const results = []
  const scansBefore = await sequentialScans(large.client)
  for (const work of works.filter(({ kind, name }) => kind !== 'write' && kind !== 'count' && isWanted(name)))
    results.push(await compare(work, sets))
  // A connection reports its reads 10 s after its last use.
  await sleep(11_000)
  const scans = difference(await sequentialScans(large.client), scansBefore)
  for (const work of works.filter(({ kind, name }) => kind === 'count' && isWanted(name)))
    results.push(await count3(work, sets))
  for (const work of works.filter(({ kind, name }) => kind === 'write' && isWanted(name)))
    results.push(await compare(work, sets))

  let plans
  if (isWanted('plans')) {
    say('explaining')
    plans = [...(await explainAll(large, works, quiet)), ...(await explainPruning(large, quiet))]
  }
  const saver = isWanted('saver') ? await measureSaver(large, { rounds, load, say }) : undefined
  const text = await reportGrowth({
    sets,
    results,
    scans,
    plans,
    saver,
    rounds,
    requests,
    startedAt,
    note: options.note,
  })
  process.stdout.write(`\n${text}`)
  if (options.write) await writeFile(here('GROWTH.md'), text)
} finally {
  await cleanUp()
}

async function cleanUp() {
  generator?.kill()
  await stopAll()
  await Promise.all(clients.map((client) => client.end().catch(() => undefined)))
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Makes a database, fills it, and starts a Waymark that serves it. */
async function prepareSet(name, size) {
  const since = performance.now()
  const admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query(`CREATE DATABASE growth_${name}`)
  // Causes fewer checkpoints of PostgreSQL while the database is filled.
  await admin.query(`ALTER SYSTEM SET max_wal_size = '8GB'`)
  await admin.query('SELECT pg_reload_conf()')
  const databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/growth_${name}` }).href
  await migrate({ databaseUrl })
  const client = new pg.Client({ connectionString: databaseUrl })
  clients.push(client)
  await client.connect()
  say(`filling the ${name} database: ${size.users} users`)
  await fill(client, size, MIXED_KIND)
  const differences = await verifySchema({ databaseUrl })
  if (differences.length > 0) throw new Error(differences.join('\n'))
  await admin.query('ALTER SYSTEM RESET max_wal_size')
  await admin.query('SELECT pg_reload_conf()')
  await admin.query('CHECKPOINT')
  await admin.end()
  const fillSeconds = (performance.now() - since) / 1_000
  say(`filled in ${fillSeconds.toFixed(0)} s`)
  // The data are of January 2026. They must not be pruned before activity() reads them.
  const settings = { HISTORY_RETENTION_DAYS: '36500' }
  const { url } = await startWaymark({ databaseUrl, nodeFlags: [], settings })
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    authorization: `Bearer ${await createKey(databaseUrl, 'read,crawl,operate')}`,
  }
  const set = { name, size, databaseUrl, client, url, headers, fillSeconds }
  return { ...set, ...(await describeSet(client)), cursors: await findCursors(set) }
}

async function describeSet(client) {
  const { rows } = await client.query(
    `SELECT (SELECT count(*) FROM crawler.crawl_session)::integer AS sessions,
      (SELECT count(*) FROM crawler.crawl_checkpoint)::integer AS checkpoints,
      (SELECT count(*) FROM crawler.checkpoint_revision)::integer AS revisions,
      pg_database_size(current_database())::float8 / 1048576 AS megabytes`,
  )
  return rows[0]
}

/** Finds cursors in the middle of the lists, from which works continue. */
async function findCursors({ url, headers, size }) {
  const ask = async (query) => {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message)
    return Object.values(data)[0].edges[0].cursor
  }
  const cursors = { STARTED_AT_DESC: [], COMPLETED_AT_DESC: [], users: [] }
  for (let place = 1; place < 32; place += 1) {
    const user = Math.floor((size.crawledUsers * place) / 32)
    const at = new Date(Date.UTC(2026, 0, 1, 12) + user * 1237).toISOString()
    for (const [order, filter] of Object.entries({
      STARTED_AT_DESC: 'startedBefore',
      COMPLETED_AT_DESC: 'completedBefore',
    }))
      cursors[order].push(
        await ask(`{ sessions(first: 1, orderBy: ${order}, filter: { ${filter}: "${at}" }) { edges { cursor } } }`),
      )
    // Users have no filter. Their cursor is made here: the list's name and the last ID.
    cursors.users.push(
      Buffer.from(
        JSON.stringify(['users', `user-${String(Math.floor((size.users * place) / 32)).padStart(7, '0')}`]),
      ).toString('base64url'),
    )
  }
  return cursors
}

function load(set, work, orders) {
  generator.send({
    urls: [set.url],
    worksFile: './growth-works.mjs',
    workName: work.name,
    connections: CONNECTIONS,
    settleRequests: CONNECTIONS * 2,
    requests,
    users: set.size.crawledUsers,
    firstCount: count,
    headers: set.headers,
    ...(work.cursorsOf && { cursors: set.cursors }),
    ...orders,
  })
  return new Promise((resolve, reject) => {
    generator.once('message', ({ measured, failure }) => {
      if (failure) reject(new Error(`${work.name}: ${failure}`))
      else {
        count = measured.lastCount
        resolve(measured)
      }
    })
  })
}

async function compare(work, sets) {
  const samples = sets.map(() => [])
  const perRequest = work.perRequest ?? 1
  for (let round = 0; round <= rounds; round += 1) {
    for (const [place, set] of sets.entries()) {
      const sample = await load(set, work, {
        requests: Math.ceil(requests / perRequest ** 0.5),
        ...(perRequest > 1 && { connections: work.connections, settleRequests: work.connections }),
      })
      if (round > 0) samples[place].push(sample)
    }
  }
  const [small, large] = samples.map((all) => all.at(-1))
  say(
    `${work.name}: p50 ${small.p50.toFixed(2)} and ${large.p50.toFixed(2)} ms, ${Math.round(small.perSecond)} and ${Math.round(large.perSecond)}/s`,
  )
  return { work, samples }
}

/** Measures a count: some requests, one after the other. */
async function count3(work, sets) {
  const samples = []
  for (const { url, headers } of sets) {
    const times = []
    let failure
    for (let turn = 0; turn < COUNT_REQUESTS; turn += 1) {
      const since = performance.now()
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query: work.query }) })
      const { errors } = await response.json()
      times.push(performance.now() - since)
      failure ??= errors?.[0]?.extensions.code
    }
    samples.push({ times, failure })
  }
  say(
    `${work.name}: ${samples.map(({ times, failure }) => `${Math.min(...times).toFixed(1)} ms ${failure ?? ''}`).join(', ')}`,
  )
  return { work, samples }
}

/** Counts the sequential scans of tables with more than 1,000 rows by all connections to this database. */
async function sequentialScans(client) {
  const { rows } = await client.query(
    `SELECT t.relname AS name, t.seq_scan::integer AS scans FROM pg_stat_user_tables t JOIN pg_class c ON c.oid = t.relid
      WHERE c.reltuples > 1000`,
  )
  return new Map(rows.map(({ name, scans }) => [name, scans]))
}

function difference(after, before) {
  return [...after].map(([name, scans]) => [name, scans - (before.get(name) ?? 0)]).filter(([, scans]) => scans > 0)
}
