// Compares the processor time that checkouts of Waymark spend on an operation, in turn: the server's, and that of its
// connections in PostgreSQL. Each checkout gets a database of its own, which is dropped at the end.
// npm run build (in each)
// DATABASE_URL=postgresql://... node bench/processor-time.mjs <read|save|sessions> <checkout> <checkout> ...
// DATABASE_URL is of a PostgreSQL on this machine, and of a role that may create databases.
// A ratio is to the first checkout in the same round: on a busy machine times grow, and ratios hardly change.
// It ends after about a minute for each checkout.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const FIRST_PORT = 4810
const CONNECTIONS = 16
/** Each starts the servers anew: what a process compiles, and when, is luck, and worth 5 %. */
const RUNS = 3
/** V8 compiles in the first ones, which do not count. */
const WARM_UP_ROUNDS = 3
/** Short ones: what else the machine does changes within seconds. */
const ROUNDS = 30
const SESSIONS = 100

/** What is asked, how often in a round, and a part of each answer. Each connection asks for a user of its own. */
const OPERATIONS = {
  read: {
    query:
      'query ($userId: String!) { checkpoint(userId: $userId) ' +
      '{ userId stream lastItemId lastCrawledAt bookmarksCount updatedAt } }',
    requests: 1_000,
    answer: '"lastItemId":"5"',
  },
  save: {
    query:
      'mutation ($userId: String!) { saveCheckpoint(input: { userId: $userId, itemId: "5" }) ' +
      '{ ... on SaveCheckpointSuccess { created checkpoint { userId stream lastItemId bookmarksCount } } } }',
    requests: 1_000,
    answer: '"lastItemId":"5"',
  },
  sessions: {
    query:
      `query ($userId: String!) { user(userId: $userId) { sessions(first: ${SESSIONS}) ` +
      '{ nodes { sessionId status startedAt completedAt bookmarksProcessed } } } }',
    requests: 100,
    answer: '"sessionId":"bench-',
  },
}

const operation = OPERATIONS[process.argv[2]]
const checkouts = process.argv.slice(3).map((path) => resolve(path))
if (!operation || checkouts.length === 0 || !process.env.DATABASE_URL) {
  process.stderr.write(
    'usage: DATABASE_URL=postgresql://... node bench/processor-time.mjs <read|save|sessions> <checkout> ...\n',
  )
  process.exit(2)
}

/** Of all its threads, in user and kernel mode, microseconds: https://docs.kernel.org/scheduler/sched-stats.html */
function processorTimeUs(pid) {
  let ns = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  return ns / 1_000
}

/** Of all connections to a database, microseconds. */
async function databaseTimeUs(name) {
  const { rows } = await admin.query('SELECT pid FROM pg_stat_activity WHERE datname = $1', [name])
  return rows.reduce((sum, { pid }) => sum + processorTimeUs(pid), 0)
}

const databaseOf = (place) => `waymark_processor_time_${place}`

function urlOf(place) {
  const url = new URL(process.env.DATABASE_URL)
  url.pathname = `/${databaseOf(place)}`
  return url.toString()
}

async function start(checkout, place) {
  const port = FIRST_PORT + place
  const child = spawn(process.execPath, [join(checkout, 'dist/main.js'), 'serve'], {
    cwd: tmpdir(),
    env: { ...process.env, DATABASE_URL: urlOf(place), HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  while (!(await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`${checkout} did not start`)
    await sleep(100)
  }
  return child
}

/** The median, and what half of the values lie between. */
function spread(values, digits) {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, median, high] = [0.25, 0.5, 0.75].map((part) => sorted[Math.floor(sorted.length * part)].toFixed(digits))
  return `${median} (${low} to ${high})`
}

const userId = (place) => `bench-${10 + place}`

async function ask(port, query) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  return response.json()
}

/** Sends the operation's requests over CONNECTIONS connections. Each sends the next one when the last is answered. */
function load(port) {
  let left = operation.requests
  const clients = Array.from({ length: CONNECTIONS }, async (_, place) => {
    const body = JSON.stringify({ query: operation.query, variables: { userId: userId(place) } })
    const request =
      `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`
    const socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1')
    await once(socket, 'connect')
    let text = ''
    const next = () => {
      text = ''
      left -= 1
      if (left >= 0) socket.write(request)
      else socket.end()
    }
    next()
    for await (const chunk of socket) {
      text += chunk
      const bodyAt = text.indexOf('\r\n\r\n') + 4
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (bodyAt < 4 || text.length < bodyAt + length) continue
      if (!text.includes(operation.answer)) throw new Error(text)
      next()
    }
  })
  return Promise.all(clients)
}

async function fill(port) {
  for (let place = 0; place < CONNECTIONS; place += 1) {
    const user = userId(place)
    await ask(port, `mutation { registerUser(input: { userId: "${user}" }) { __typename } }`)
    await ask(port, `mutation { saveCheckpoint(input: { userId: "${user}", itemId: "5" }) { __typename } }`)
    for (let session = 0; operation === OPERATIONS.sessions && session < SESSIONS; session += 1) {
      const sessionId = `${user}-${session}`
      await ask(
        port,
        `mutation { startSession(input: { userId: "${user}", sessionId: "${sessionId}" }) { __typename } }`,
      )
      await ask(port, `mutation { completeSession(input: { sessionId: "${sessionId}" }) { __typename } }`)
    }
  }
}

/** @param times each checkout's, of each round */
async function run(times) {
  const children = []
  try {
    for (const [place, checkout] of checkouts.entries()) {
      children.push(await start(checkout, place))
      await fill(FIRST_PORT + place)
    }
    const spentBy = async (place) => [processorTimeUs(children[place].pid), await databaseTimeUs(databaseOf(place))]
    for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
      const turn = [...checkouts.keys()]
      for (const place of round % 2 === 0 ? turn : turn.reverse()) {
        const before = await spentBy(place)
        await load(FIRST_PORT + place)
        const after = await spentBy(place)
        if (round < WARM_UP_ROUNDS) continue
        for (const [part, { spent }] of times[place].entries()) {
          spent.push((after[part] - before[part]) / operation.requests)
        }
      }
    }
  } finally {
    for (const child of children.reverse()) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
  }
}

const admin = new pg.Client({ connectionString: process.env.DATABASE_URL })
await admin.connect()
try {
  for (const place of checkouts.keys()) {
    await admin.query(`DROP DATABASE IF EXISTS ${databaseOf(place)}`)
    await admin.query(`CREATE DATABASE ${databaseOf(place)} TEMPLATE template0 ENCODING 'UTF8'`)
  }
  const times = checkouts.map(() => [
    { part: 'server', spent: [] },
    { part: 'database', spent: [] },
  ])
  for (let count = 0; count < RUNS; count += 1) await run(times)
  for (const [place, checkout] of checkouts.entries()) {
    for (const [at, { part, spent }] of times[place].entries()) {
      const ratios = spent.map((time, round) => time / times[0][at].spent[round])
      const least = Math.min(...spent)
      process.stdout.write(
        `${checkout} ${part}: ${spread(spent, 1)} µs, least ${least.toFixed(1)}, ratio ${spread(ratios, 3)}\n`,
      )
    }
  }
} finally {
  for (const place of checkouts.keys()) await admin.query(`DROP DATABASE IF EXISTS ${databaseOf(place)} WITH (FORCE)`)
  await admin.end()
}
