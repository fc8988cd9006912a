// Measures the time from commit to the last delivery: one status change for 1,000 subscribers over SSE. Compares
// Waymark with the least that could do it (LISTEN and a bare node:http writer), in turn, in one run, on one database,
// for the same transaction.
// npm run bench:feed [-- --subscribers 1000 --changes 40 --rounds 5]
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '5' },
  },
})
const subscribers = Number(values.subscribers)
const changes = Number(values.changes)
const rounds = Number(values.rounds)
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const QUERY =
  'subscription { sessionStatusChanged { cursor kind occurredAt sessionId userId stream previousStatus status } }'

const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const children = []
try {
  const waymark = await startServer([here('../dist/main.js'), 'serve'], /Waymark serves (http:\S+)/)
  const raw = await startServer([here('raw-feed-server.mjs')], /serves (http:\S+)/)
  const writer = new pg.Client({ connectionString: postgres.url })
  await writer.connect()
  await writer.query(`INSERT INTO public."user" (id) VALUES ('bench') ON CONFLICT DO NOTHING`)

  const candidates = [
    { name: 'waymark', url: waymark.url, body: JSON.stringify({ query: QUERY }), times: [], bytes: 0 },
    { name: 'raw LISTEN + node:http', url: raw.url, body: '{}', times: [], bytes: 0 },
  ]
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of candidates) await measure(candidate, writer, round)
  }
  report(candidates)
  await writer.end()
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))))
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}

/**
 * Opens the streams, makes the changes one after the other, and records how long after each commit the last stream got
 * it.
 */
async function measure(candidate, writer, round) {
  const audience = await listen(candidate)
  for (let change = 0; change < changes; change += 1) {
    const sessionId = `bench-${candidate.name}-${round}-${change}`
    const heard = audience.hear(sessionId)
    await writer.query('BEGIN')
    await writer.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ($1, 'bench')`, [sessionId])
    // As a writer does that does not want to wait for the next tick: docs/feeds.md.
    await writer.query(`SELECT pg_notify('waymark_feed', '')`)
    await writer.query('COMMIT')
    const committed = performance.now()
    const last = await heard
    // The first round warms up.
    if (round > 0) candidate.times.push(Math.max(0, last - committed))
    await sleep(20)
  }
  candidate.bytes = audience.bytesPerEvent()
  audience.end()
  await sleep(200)
}

/** Plain sockets that only search for an ID in what arrives, so that the subscribers cost little themselves. */
async function listen({ url, body }) {
  const { hostname, port, pathname } = new URL(url)
  let wanted = ''
  let waiting = 0
  let lastBytes = 0
  let done = () => {}
  const sockets = await Promise.all(
    Array.from({ length: subscribers }, () => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      socket.write(
        `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
      return new Promise((resolve, reject) => {
        socket.once('error', reject)
        socket.once('data', () => {
          socket.on('data', (chunk) => {
            if (wanted === '' || !chunk.includes(wanted)) return
            lastBytes = chunk.length
            waiting -= 1
            if (waiting === 0) done(performance.now())
          })
          resolve(socket)
        })
      })
    }),
  )
  await sleep(500)
  return {
    hear(sessionId) {
      wanted = sessionId
      waiting = sockets.length
      return new Promise((resolve, reject) => {
        const tooLate = setTimeout(
          () => reject(new Error(`${waiting} subscribers did not hear of ${sessionId}`)),
          10_000,
        )
        done = (time) => {
          clearTimeout(tooLate)
          resolve(time)
        }
      })
    },
    bytesPerEvent: () => lastBytes,
    end() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function report(candidates) {
  const [own, raw] = candidates.map(({ times }) => times.toSorted((a, b) => a - b))
  const at = (times, share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  const lines = [
    `${subscribers} subscribers, ${changes * (rounds - 1)} status changes each, Node ${process.version}, ${cpus()[0]?.model} x ${cpus().length}`,
    '',
    '| commit to last delivery, ms | median | p99 | bytes an event |',
    '| --- | --- | --- | --- |',
    ...candidates.map(({ name, bytes }, place) => {
      const times = place === 0 ? own : raw
      return `| ${name} | ${at(times, 0.5).toFixed(1)} | ${at(times, 0.99).toFixed(1)} | ${bytes} |`
    }),
    `| ratio | ${(at(own, 0.5) / at(raw, 0.5)).toFixed(2)} | ${(at(own, 0.99) / at(raw, 0.99)).toFixed(2)} | |`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function startServer(args, said) {
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    NODE_ENV: 'production',
    PORT: '0',
    LOG_LEVEL: 'warn',
    DATABASE_URL: postgres.url,
  }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const served = said.exec(line)?.[1]
      if (served) resolve(served)
    })
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} exited with ${code}`)))
  })
  return { url, child }
}
