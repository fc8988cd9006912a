import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { allowedMs, rounds, seconds, tell } from './rounds.ts'

const DISCONNECTS = rounds(5_000, 200)
const BATCH = rounds(250, 50)
const GONE_IN_MS = allowedMs(30_000)
/** So many first: code is compiled and caches are filled once. */
const WARM_UP = 2 * BATCH
const QUERY = 'subscription { sessionStatusChanged { sessionId kind session { status } } }'
const preload = fileURLToPath(new URL('../support/heap-teller.mjs', import.meta.url))

/** A subscriber that is gone without a word: its connection is reset. */
type Vanish = () => void

async function openEventStream(url: string): Promise<Vanish> {
  const { hostname, port, pathname, host } = new URL(url)
  const socket: Socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  const body = JSON.stringify({ query: QUERY })
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 /)
  socket.resume()
  return () => socket.resetAndDestroy()
}

async function openWebSocket(url: string): Promise<Vanish> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
  socket.on('error', () => undefined)
  await once(socket, 'open')
  const ask = async (message: object, answer: string) => {
    const heard = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        if (String(data).includes(`"type":"${answer}"`)) resolve()
      })
    })
    socket.send(JSON.stringify(message))
    await heard
    socket.removeAllListeners('message')
  }
  await ask({ type: 'connection_init' }, 'connection_ack')
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: QUERY } }))
  await ask({ type: 'ping' }, 'pong')
  socket.resume()
  return () => socket.terminate()
}

describe('subscribers whose connections are reset', () => {
  let database: TestDatabase
  let server: ServerProcess
  let folder: string
  beforeAll(async () => {
    database = await createTestDatabase()
    await database.query(`INSERT INTO public."user" (id) VALUES ('alice')`)
    folder = await mkdtemp(join(tmpdir(), 'waymark-heap-'))
    server = await startServer({
      DATABASE_URL: database.url,
      LOG_LEVEL: 'error',
      NODE_OPTIONS: `--expose-gc --import=${preload}`,
      HEAP_SOCKET: join(folder, 'heap'),
      METRICS_PORT: '0',
      // One batch and no more: a stream that were still counted would keep the next batch from opening.
      MAX_STREAMS_PER_CALLER: String(BATCH),
    })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function heapMiB(): Promise<number> {
    const asked = request({ socketPath: join(folder, 'heap') }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return ((await json(response)) as NodeJS.MemoryUsage).heapUsed / 1024 ** 2
  }

  /** What the server has open, by its own count. */
  async function gauges(): Promise<Record<string, number>> {
    const at = /metrics at (http:\S+\/metrics)/.exec(server.lines.join('\n'))?.[1] ?? ''
    const text = await (await fetch(at)).text()
    const lines = text.matchAll(/^(waymark_(?:streams|websockets|http_connections)\S*) (\d+)$/gm)
    return Object.fromEntries([...lines].map(([, name = '', value]) => [name, Number(value)]))
  }

  let events = 0
  /** Opens a batch, half of each kind, writes something that all of them are told, and resets them while they are. */
  async function openAndVanish(): Promise<void> {
    const opening = Array.from({ length: BATCH }, (_, place) =>
      (place % 2 === 0 ? openEventStream : openWebSocket)(server.url),
    )
    const vanishing = await Promise.all(opening)
    expect(await gauges()).toEqual({
      waymark_http_connections: BATCH,
      waymark_websockets: BATCH / 2,
      'waymark_streams{transport="sse"}': BATCH / 2,
      'waymark_streams{transport="websocket"}': BATCH / 2,
    })
    await database.query(
      `WITH written AS (INSERT INTO crawler.crawl_session (session_id, user_id) SELECT 's' || n, 'alice' FROM generate_series($1::integer, $2) n)
       SELECT pg_notify('waymark_feed', '')`,
      [events + 1, (events += 20)],
    )
    for (const vanish of vanishing) vanish()
  }

  it(
    `leave no stream, no socket and no memory behind within ${seconds(GONE_IN_MS)}, ${DISCONNECTS} of them, half over SSE and half over WebSocket`,
    { timeout: 400_000 },
    async () => {
      const worst = { goneMs: 0 }
      const vanishTogether = async (count: number) => {
        for (let vanished = 0; vanished < count; vanished += BATCH) {
          await openAndVanish()
          const from = performance.now()
          await expect.poll(async () => Object.values(await gauges()), { timeout: GONE_IN_MS }).toEqual([0, 0, 0, 0])
          worst.goneMs = Math.max(worst.goneMs, performance.now() - from)
        }
      }
      await vanishTogether(WARM_UP)
      const before = await heapMiB()
      await vanishTogether(DISCONNECTS)
      const after = await heapMiB()
      expect(after).toBeLessThan(1.1 * before)
      tell(
        `fault 8: ${DISCONNECTS} resets: gauges at 0 within ${Math.round(worst.goneMs)} ms, heap ${before.toFixed(1)} MiB before, ${after.toFixed(1)} MiB after`,
      )
    },
  )
})
