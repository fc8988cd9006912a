import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { openSocket } from '../integration/http/socket-client.ts'

const preload = fileURLToPath(new URL('../support/heap-teller.mjs', import.meta.url))

/** Open at once. What each of them sends has a megabyte, and as JavaScript's objects some 20. */
const STREAMS = 4
/** A stream itself takes some 50 KB. */
const MOST_KIB_EACH = 300

const QUERY = 'subscription ($user: String) { sessionStatusChanged(filter: { userId: $user }) { cursor } }'
const WAIT = { timeout: 10_000, interval: 50 }
const MEGABYTE = 900_000
const objects = (): unknown => Array.from({ length: MEGABYTE / 3 }, () => ({}))
const text = 'x'.repeat(MEGABYTE)

/** By where it is, a request with a megabyte that its operation needs nothing of. */
const oversized: Readonly<Record<string, () => Record<string, unknown>>> = {
  'in variables that are not declared': () => ({ variables: { user: 'alice', objects: objects() } }),
  'in a text among them': () => ({ variables: { user: 'alice', text } }),
  'in extensions': () => ({ extensions: { objects: objects() } }),
  'in a member that nobody knows': () => ({ objects: objects() }),
}

describe('an open subscription keeps nothing of a megabyte that it was sent with', () => {
  let folder: string
  let database: TestDatabase
  let server: ServerProcess
  const sockets = new Set<Socket>()
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waymark-heap-'))
    database = await createTestDatabase()
    server = await startServer({
      DATABASE_URL: database.url,
      LOG_LEVEL: 'error',
      NODE_OPTIONS: `--expose-gc --import=${preload}`,
      HEAP_SOCKET: join(folder, 'heap'),
    })
    // What is compiled and cached once.
    for (const open of Object.values(transports)) await measure(open, () => ({}))
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function heldKiB(): Promise<number> {
    const asked = request({ socketPath: join(folder, 'heap') }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const { heapUsed, external } = (await json(response)) as NodeJS.MemoryUsage
    return (heapUsed + external) / 1024
  }

  /** @returns what each stream holds */
  async function measure(open: Open, more: () => Record<string, unknown>): Promise<number> {
    const before = await heldKiB()
    const closing: (() => void)[] = []
    for (let n = 0; n < STREAMS; n += 1) {
      closing.push(await open({ query: QUERY, variables: { user: 'alice' }, ...more() }))
    }
    const held = (await heldKiB()) - before
    for (const close of closing) close()
    await vi.waitFor(async () => expect((await heldKiB()) - before).toBeLessThan(STREAMS * MOST_KIB_EACH), WAIT)
    return held / STREAMS
  }

  type Open = (operation: Record<string, unknown>) => Promise<() => void>
  const transports: Readonly<Record<'SSE' | 'WebSocket', Open>> = {
    async SSE(operation) {
      const { port, host, hostname } = new URL(server.url)
      const socket = connect(Number(port), hostname)
      sockets.add(socket)
      const body = JSON.stringify(operation)
      socket.write(
        `POST /graphql HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(String(answer)).toMatch(/^HTTP\/1.1 200 (?!.*errors)/s)
      return () => socket.destroy()
    },
    async WebSocket({ objects: unknown, ...operation }) {
      const client = await openSocket(server)
      client.send({ type: 'subscribe', id: '1', payload: operation, ...(unknown ? { unknown } : {}) })
      client.send({ type: 'ping', payload: { id: 1 } })
      await vi.waitFor(() => expect(client.messages).toHaveLength(2), WAIT)
      expect(client.messages[1]).toMatchObject({ type: 'pong' })
      return () => client.socket.terminate()
    },
  }

  for (const way of ['SSE', 'WebSocket'] as const) {
    it.each(Object.keys(oversized))(`over ${way}: %s`, { timeout: 60_000 }, async (where) => {
      expect(await measure(transports[way], oversized[where] ?? (() => ({})))).toBeLessThan(MOST_KIB_EACH)
    })
  }
})
