// The load generator, a process of its own: keep-alive connections over plain sockets, one request at a time on each, so that it
// costs less than what it measures. Reads its orders as JSON from the arguments, writes what it measured as JSON to stdout.
import { connect } from 'node:net'
import { bodyOf, workNamed } from './works.mjs'

const { urls, workName, connections, settleRequests, requests, users, firstCount, headers } = JSON.parse(
  process.argv[2],
)
const work = workNamed(workName)
const BODIES = 4_096
/** How an answer begins that is none of errors. */
const DATA = '{"data":{'
const latencies = []
let count = firstCount
let answers = 0
let since = 0
let elapsed = 0
let isOver = false

/** Reads are prepared, in another order each time; writes are new each time. */
const prepared = work.writes
  ? undefined
  : Array.from({ length: BODIES }, () => requestOf(urls[0], Math.floor(Math.random() * users), (count += 1)))

function requestOf(url, user, number) {
  const body = bodyOf(work, user, number, users)
  const { host, pathname } = new URL(url)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

class Connection {
  #place
  #url
  #asked = 0
  #sentAt = 0
  #received = []
  #missing = -1

  constructor(place) {
    this.#place = place
    this.#url = urls[place % urls.length]
  }

  run() {
    const { hostname, port } = new URL(this.#url)
    return new Promise((resolve, reject) => {
      this.socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => this.#ask())
      this.socket.on('data', (chunk) => {
        try {
          this.#receive(chunk)
        } catch (error) {
          reject(error)
        }
      })
      this.socket.once('error', reject)
      this.socket.once('close', () => (isOver ? resolve() : reject(new Error('the server closed a connection'))))
    })
  }

  #ask() {
    this.#asked += 1
    let request
    if (prepared) request = prepared[(this.#place * 127 + this.#asked) % BODIES]
    else {
      const own = Math.max(1, Math.floor(users / connections))
      request = requestOf(this.#url, this.#place + connections * (this.#asked % own), (count += 1))
    }
    this.#sentAt = performance.now()
    this.socket.write(request)
  }

  #receive(chunk) {
    if (this.#missing < 0) {
      const start = this.#received.length === 0 ? chunk : Buffer.concat([...this.#received, chunk])
      const headEnd = start.indexOf('\r\n\r\n')
      // Some servers send the body on its own.
      if (headEnd === -1 || start.length < headEnd + 4 + DATA.length) {
        this.#received = [start]
        return
      }
      const head = start.latin1Slice(0, headEnd)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? NaN)
      const bodyStart = headEnd + 4
      if (!head.startsWith('HTTP/1.1 200') || Number.isNaN(length))
        throw new Error(`unexpected answer: ${start.toString('latin1', 0, 1000)}`)
      if (start.latin1Slice(bodyStart, bodyStart + DATA.length) !== DATA)
        throw new Error(`no data: ${start.toString('latin1', bodyStart, bodyStart + 1000)}`)
      this.#received = []
      this.#missing = bodyStart + length - start.length
    } else this.#missing -= chunk.length
    if (this.#missing > 0) return
    if (this.#missing < 0) throw new Error('the server answered more than it was asked')
    this.#missing = -1
    const now = performance.now()
    answers += 1
    if (answers === settleRequests) since = now
    else if (answers > settleRequests && !isOver) latencies.push(now - this.#sentAt)
    if (answers === settleRequests + requests) {
      isOver = true
      elapsed = (now - since) / 1_000
    }
    if (isOver) this.socket.destroy()
    else this.#ask()
  }
}

try {
  await Promise.all(Array.from({ length: connections }, (_, place) => new Connection(place).run()))
  const sorted = Float64Array.from(latencies).sort()
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
  const { user, system } = process.cpuUsage()
  process.stdout.write(
    JSON.stringify({
      perSecond: sorted.length / elapsed,
      p50: at(0.5),
      p99: at(0.99),
      answers,
      cpu: (user + system) / 1e6,
      lastCount: count,
    }),
  )
} catch (error) {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
}
