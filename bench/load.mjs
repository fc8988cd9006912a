// The load generator. It is a separate process with keep-alive connections over plain sockets, one request at a time on
// each, so that it costs less than what it measures. It takes its orders as JSON from the arguments and writes its
// measurements as JSON to stdout. A forked generator takes its orders as messages, one after the other, and stays warm.
import { connect } from 'node:net'
import { bodyOf } from './works.mjs'

const BODIES = 4_096
/** The beginning of an answer without errors. */
const DATA = '{"data":{'

/**
 * Runs one work and measures it.
 *
 * `worksFile` contains the work `workName`. `settleRequests` are answered before anything counts. `perSecond` is the
 * rate of all connections together, evenly spaced. With a rate, a request's time counts from when it was due, so a
 * request that waits for a late one is late too.
 */
async function load(orders) {
  const { urls, workName, connections, settleRequests, requests, users, firstCount, headers } = orders
  const { worksFile = './works.mjs', cursors, perSecond } = orders
  const { works } = await import(worksFile)
  const work = works.find(({ name }) => name === workName)
  const cpuBefore = process.cpuUsage()
  const latencies = []
  let count = firstCount
  let answers = 0
  let since = 0
  let elapsed = 0
  let isOver = false

  const requestOf = (url, user, number) => {
    const body = bodyOf(work, user, number, users, cursors)
    const { host, pathname } = new URL(url)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return Buffer.from(
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }
  /** Read requests are prepared once and sent in another order by each connection. Write requests are always new. */
  const prepared = work.writes
    ? undefined
    : Array.from({ length: Math.min(BODIES, settleRequests + requests) }, () =>
        requestOf(urls[0], Math.floor(Math.random() * users), (count += 1)),
      )

  class Connection {
    #place
    #url
    #asked = 0
    #sentAt = 0
    #dueAt = 0
    #received = []
    #missing = -1

    constructor(place) {
      this.#place = place
      this.#url = urls[place % urls.length]
    }

    run() {
      const { hostname, port } = new URL(this.#url)
      return new Promise((resolve, reject) => {
        this.socket = connect({ host: hostname, port: Number(port), noDelay: true }, () => {
          this.#dueAt = performance.now() + (this.#place * 1_000) / (perSecond ?? 1)
          this.#askInTime()
        })
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

    #askInTime() {
      if (perSecond === undefined) {
        this.#ask()
        return
      }
      const now = performance.now()
      if (now < this.#dueAt) {
        this.timer = setTimeout(() => this.#ask(), this.#dueAt - now)
      } else {
        this.#ask()
        this.#sentAt = this.#dueAt
      }
      this.#dueAt += (connections * 1_000) / perSecond
    }

    #ask() {
      this.#asked += 1
      let request
      if (prepared) request = prepared[(this.#place * 127 + this.#asked) % prepared.length]
      else {
        const own = Math.max(1, Math.floor(users / connections))
        // At a rate the users are random, as crawls are.
        const turn = perSecond === undefined ? this.#asked % own : Math.floor(Math.random() * own)
        request = requestOf(this.#url, this.#place + connections * turn, (count += 1))
      }
      this.#sentAt = performance.now()
      this.socket.write(request)
    }

    #receive(chunk) {
      if (this.#missing < 0) {
        const start = this.#received.length === 0 ? chunk : Buffer.concat([...this.#received, chunk])
        const headEnd = start.indexOf('\r\n\r\n')
        // Some servers send the body separately.
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
        for (const other of all) other.end()
      }
      if (isOver) this.socket.destroy()
      else this.#askInTime()
    }

    /** At a rate a connection may be idle, and nobody waits for it then. */
    end() {
      if (perSecond === undefined) return
      clearTimeout(this.timer)
      this.socket.destroy()
    }
  }

  const all = Array.from({ length: connections }, (_, place) => new Connection(place))
  await Promise.all(all.map((connection) => connection.run()))
  const sorted = Float64Array.from(latencies).sort()
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    perSecond: sorted.length / elapsed,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    answers,
    cpu: (user + system) / 1e6,
    lastCount: count,
  }
}

if (process.send) {
  process.on('message', (orders) => {
    load(orders).then(
      (measured) => process.send({ measured }),
      (error) => process.send({ failure: error.stack }),
    )
  })
} else {
  try {
    process.stdout.write(JSON.stringify(await load(JSON.parse(process.argv[2]))))
  } catch (error) {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  }
}
