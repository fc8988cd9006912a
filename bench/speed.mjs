// Compares Waymark with what its users would use instead: in one run, on one database, in turn.
// npm run bench [-- --rounds 5 --requests 20000 --only checkpoint,save --servers waymark,mercurius --replicas --write]
// npm run bench -- --large   runs growth.mjs instead, with 10,000,000 sessions
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { measureCosts } from './costs.mjs'
import { fill, fillPlain, SMALL as size } from './dataset.mjs'
import { bulkFloor, pgbench, pgbenchVersion } from './floors.mjs'
import { cpuSecondsBelow, cpuSecondsOf, here, parentOf, residentMegabytesOf, run, stopAll } from './processes.mjs'
import { describeRun, tableOf } from './report.mjs'
import { candidates, createKey, replicated, startBare, WAYMARK } from './servers.mjs'
import { bodyOf, works } from './works.mjs'

const { values: options } = parseArgs({
  options: {
    /** Counted rounds; one more comes first, to warm up. */
    rounds: { type: 'string', default: '5' },
    /** Requests to each server in each round. The slowest servers get fewer, and so do requests of 1,000 saves. */
    requests: { type: 'string', default: '20000' },
    /** Names of works in works.mjs. */
    only: { type: 'string' },
    /** The beginnings of servers' names. */
    servers: { type: 'string' },
    replicas: { type: 'boolean', default: false },
    /** Flags of Node for Waymark, and settings, for experiments. */
    'node-flags': { type: 'string', default: '' },
    set: { type: 'string', multiple: true, default: [] },
    /** What else the machine did; stated in the results. */
    note: { type: 'string' },
    /** Writes RESULTS.md, or REPLICAS.md with --replicas. */
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds)
const requests = Number(options.requests)
const isWanted = (name, list) =>
  list === undefined || list.split(',').some((wanted) => name.toLowerCase().startsWith(wanted.toLowerCase()))
const chosenWorks = works.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name))
const contenders = (options.replicas ? replicated : candidates).filter(({ name }) => isWanted(name, options.servers))
const say = (text) => process.stderr.write(`${text}\n`)

if (!existsSync(here('node_modules'))) {
  say('installing the servers to compare with (once)')
  const install = ['ci', '--prefix', here('.'), '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error']
  // With the whole environment, which has npm's proxy and certificates.
  await run('npm', install, process.env)
}
const { default: pg } = await import('pg')
const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const { migrate } = await import('../dist/database/migrations/migrate.js')

const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
let postmaster = 0
let count = 0
try {
  await client.connect()
  postmaster = parentOf(client.processID)
  await migrate({ databaseUrl: postgres.url })
  say(`filling the database: ${size.users} users`)
  await fill(client, size)
  await fillPlain(client)
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    authorization: `Bearer ${await createKey(postgres.url)}`,
  }
  const bare = await startBare()
  const start = {
    databaseUrl: postgres.url,
    nodeFlags: options['node-flags'].split(' ').filter(Boolean),
    settings: Object.fromEntries(options.set.map((setting) => setting.split('='))),
  }
  for (const server of contenders) {
    server.instances = []
    for (let place = 0; place < (server.processes ?? 1); place += 1) server.instances.push(await server.start(start))
  }
  const hasPgbench = await pgbenchVersion()
  const results = []
  for (const work of chosenWorks) results.push(await measureWork(work, { headers, bare, size, hasPgbench }))
  await sleep(1_000)
  for (const server of contenders)
    server.residentMegabytes = server.instances.map(({ child }) => residentMegabytesOf(child.pid))
  await stopAll()

  const costs =
    isWanted(WAYMARK, options.servers) && !options.replicas ? await measureCosts(postgres.url, headers) : undefined
  const text = `${await describeRun({ client, size, rounds, requests, pgbench: hasPgbench, replicas: options.replicas, note: options.note })}\n${tableOf(results, { contenders, costs })}`
  process.stdout.write(`\n${text}`)
  if (options.write) await writeFile(here(options.replicas ? 'REPLICAS.md' : 'RESULTS.md'), text)
} finally {
  await stopAll()
  await client.end()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

async function measureWork(work, { headers, bare, size, hasPgbench }) {
  const users = size.crawledUsers
  const servers = contenders.filter((server) => server.works?.includes(work.name) ?? true)
  const answer = await compareAnswers(work, servers, headers, users)
  await fetch(bare.url, { method: 'PUT', body: answer })
  const results = [...servers, { name: 'bare node:http, the same bytes', instances: [bare] }].map((server) => ({
    ...server,
    samples: [],
  }))
  const floor = {
    name: work.name === 'bulk' ? 'one INSERT ... SELECT unnest, one connection' : 'pgbench, the same statement',
    samples: [],
  }
  for (let round = 0; round <= rounds; round += 1) {
    for (const server of results) {
      const sample = await measure(work, server, { headers, users })
      say(
        `${work.name} ${round}/${rounds} ${server.name}: ${Math.round(sample.perSecond * work.perRequest)}/s, p99 ${sample.p99?.toFixed(1)} ms, CPU ${[sample.serverCpu, sample.databaseCpu, sample.generatorCpu].map(Math.round).join(' + ')} us`,
      )
      if (round > 0) server.samples.push(sample)
    }
    const perSecond = await measureFloor(work, users, hasPgbench)
    if (perSecond !== undefined && round > 0) floor.samples.push({ perSecond: perSecond / work.perRequest })
  }
  if (floor.samples.length > 0) results.push(floor)
  return { work, results, bytes: Buffer.byteLength(answer) }
}

async function measure(work, { instances, share = 1 }, { headers, users }) {
  const databaseBefore = cpuSecondsBelow(postmaster)
  const serverBefore = cpuOf(instances)
  const orders = {
    urls: instances.map(({ url }) => url),
    workName: work.name,
    connections: work.connections,
    // On average two for each connection.
    settleRequests: work.connections * 2,
    requests: Math.ceil((requests * share) / work.perRequest ** 0.75),
    users,
    firstCount: count,
    headers,
  }
  const { cpu, answers, lastCount, ...measured } = JSON.parse(
    await run(process.execPath, [here('load.mjs'), JSON.stringify(orders)]),
  )
  count = lastCount
  const each = (cpuSeconds) => (cpuSeconds * 1e6) / answers
  return {
    ...measured,
    serverCpu: each(cpuOf(instances) - serverBefore),
    databaseCpu: each(cpuSecondsBelow(postmaster) - databaseBefore),
    generatorCpu: each(cpu),
  }
}

function cpuOf(instances) {
  return instances.reduce((sum, { child }) => sum + cpuSecondsOf(child.pid), 0)
}

async function measureFloor(work, users, hasPgbench) {
  if (work.name === 'bulk') {
    const perSecond = await bulkFloor(client, {
      users,
      requests: Math.ceil(requests / work.perRequest ** 0.75),
      firstCount: count,
    })
    count += 10_000
    return perSecond
  }
  return hasPgbench && pgbench(postgres.url, { work, users, requests })
}

/** Checks that every server gives the same bytes for the same request. @returns one of the answers */
async function compareAnswers(work, servers, headers, users) {
  let last = ''
  for (let place = 0; place < 50; place += 1) {
    const body = bodyOf(work, (place * 7919) % users, (count += 1), users)
    const answers = new Map()
    for (const { name, instances } of servers) {
      const response = await fetch(instances[0].url, { method: 'POST', headers, body })
      // Apollo ends its answers with a line break.
      answers.set((await response.text()).trimEnd(), name)
    }
    if (answers.size > 1) {
      const told = [...answers].map(([text, name]) => `${name}: ${text.slice(0, 2000)}`)
      throw new Error(`${work.name}: not the same answer to ${body.slice(0, 500)}\n${told.join('\n')}`)
    }
    last = [...answers.keys()][0]
    if (!last.startsWith('{"data":{') || last.includes(':null}}') || last.includes('"message"'))
      throw new Error(`${work.name}: ${last.slice(0, 500)}`)
  }
  return last
}
