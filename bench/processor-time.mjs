// Compares the processor time that checkouts of Waymark spend on a read by key, in turn, on one database:
// npm run build (in each); DATABASE_URL=postgresql://... node bench/processor-time.mjs <checkout> <checkout> ...
// It takes about a minute for each checkout.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_PORT = 4810
const CONNECTIONS = 16
const REQUESTS = 15_000
const ROUNDS = 8
const CLOCK_TICK_MS = 10
const QUERY = '{ checkpoint(userId: "bench") { userId stream lastItemId lastCrawledAt bookmarksCount updatedAt } }'

const checkouts = process.argv.slice(2).map((path) => resolve(path))
if (checkouts.length === 0 || !process.env.DATABASE_URL) {
  process.stderr.write('usage: DATABASE_URL=postgresql://... node bench/processor-time.mjs <checkout> <checkout> ...\n')
  process.exit(2)
}

/**
 * The time in user and kernel mode, microseconds: fields 14 and 15 of
 * https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
function processorTimeUs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS * 1_000
}

async function start(checkout, port) {
  const child = spawn(process.execPath, [join(checkout, 'dist/main.js'), 'serve'], {
    cwd: tmpdir(),
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  while (!(await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`${checkout} did not start`)
    await sleep(100)
  }
  return child
}

async function ask(port, query) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  return response.json()
}

/** Sends REQUESTS requests over CONNECTIONS connections. Each sends the next one when the last is answered. */
function load(port) {
  const body = JSON.stringify({ query: QUERY })
  const request =
    `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`
  let left = REQUESTS
  const clients = Array.from({ length: CONNECTIONS }, async () => {
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
      if (!text.includes('"lastItemId":"5"')) throw new Error(text)
      next()
    }
  })
  return Promise.all(clients)
}

const children = []
try {
  for (const [place, checkout] of checkouts.entries()) children.push(await start(checkout, FIRST_PORT + place))
  await ask(FIRST_PORT, 'mutation { registerUser(input: { userId: "bench" }) { __typename } }')
  await ask(FIRST_PORT, 'mutation { saveCheckpoint(input: { userId: "bench", itemId: "5" }) { __typename } }')
  const times = checkouts.map(() => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    const turn = [...checkouts.keys()]
    for (const place of round % 2 === 0 ? turn : turn.reverse()) {
      const before = processorTimeUs(children[place].pid)
      await load(FIRST_PORT + place)
      // Not counted: in the first round V8 compiles.
      if (round > 0) times[place].push((processorTimeUs(children[place].pid) - before) / REQUESTS)
    }
  }
  for (const [place, checkout] of checkouts.entries()) {
    const sorted = times[place].toSorted((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)]
    process.stdout.write(
      `${checkout}: ${median.toFixed(1)} µs (${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)})\n`,
    )
  }
} finally {
  for (const child of children.reverse()) child.kill('SIGTERM')
}
