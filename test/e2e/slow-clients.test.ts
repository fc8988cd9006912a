import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { startServer } from '../support/server-process.ts'

const SLOW = 200
const EVENTS = 10_000
const WARM = 1_000
const BOUND_MIB = 64
/** Long enough, 10 KB, that what the kernel buffers for a socket, some MB, is full long before the last of them. */
const QUERY = `subscription { told: sessionStatusChanged { sessionId ${Array.from({ length: 100 }, (_, place) => `c${place}: cursor`).join(' ')} } }`

/** Reads an event stream, or leaves it in the kernel's hands, which no HTTP client can be told to. */
class Subscriber {
  readonly #socket: Socket
  #rest = ''
  readonly sessionIds: string[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) {
        const sessionId = /"sessionId":"([^"]+)"/.exec(line)?.[1]
        if (sessionId !== undefined) this.sessionIds.push(sessionId)
      }
    })
  }

  static async open(url: string): Promise<Subscriber> {
    const { hostname, port, pathname, host } = new URL(url)
    const socket = connect(Number(port), hostname)
    const body = JSON.stringify({ query: QUERY })
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    return new Subscriber(socket)
  }

  stall(): void {
    this.#socket.pause()
  }

  goOn(): void {
    this.#socket.resume()
  }

  leave(): void {
    this.#socket.destroy()
  }
}

// A minute of a whole core and 2 GB through the loopback: by `npm run test:faults`, where nothing else runs beside it.
it.runIf(process.platform === 'linux' && process.env['WAYMARK_FAULTS'] === '1')(
  `${SLOW} subscribers that read nothing cost less than ${BOUND_MIB} MiB over ${EVENTS} events, delay nobody, and go on without a gap`,
  { timeout: 400_000 },
  async () => {
    await using database = await createTestDatabase()
    await using server = await startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })
    await database.query(`INSERT INTO public."user" (id) VALUES ('alice')`)
    // As many that read, first: the heap grows with what is delivered, whoever reads it, and is collected when V8 likes.
    const quick = await Promise.all(Array.from({ length: SLOW }, () => Subscriber.open(server.url)))
    await addSessions(database, 'warm', WARM)
    const all = () => quick.every(({ sessionIds }) => sessionIds.length === WARM)
    await expect.poll(all, { timeout: 120_000 }).toBe(true)
    for (const subscriber of quick) subscriber.leave()

    const reader = await Subscriber.open(server.url)
    const slow = await Promise.all(Array.from({ length: SLOW }, () => Subscriber.open(server.url)))
    for (const subscriber of slow) subscriber.stall()
    const before = await residentMiB(server.child.pid)
    await addSessions(database, 'burst', EVENTS)
    await expect.poll(() => reader.sessionIds.length, { timeout: 120_000 }).toBe(EVENTS)
    expect((await residentMiB(server.child.pid)) - before).toBeLessThan(BOUND_MIB)

    const [late] = slow
    late?.goOn()
    await expect.poll(() => late?.sessionIds.length, { timeout: 120_000 }).toBe(EVENTS)
    expect(late?.sessionIds).toEqual(reader.sessionIds)
    for (const subscriber of [reader, ...slow]) subscriber.leave()
  },
)

function addSessions(database: TestDatabase, name: string, count: number) {
  return database.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id) SELECT $1 || n, 'alice' FROM generate_series(1, $2::integer) n`,
    [name, count],
  )
}

async function residentMiB(pid = 0): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
