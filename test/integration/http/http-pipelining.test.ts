import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Repeater } from 'graphql-yoga'
import { afterEach, describe, expect, it } from 'vitest'
import { RECEIPT_TIMES } from '../../../src/limits/receipt-times.ts'
import { rawRequest, schemaOf, serve, type Served, until } from './http-support.ts'

const sdl = 'type Query { hello: String slow: String } type Subscription { never: Int }'
const HOST = 'host: localhost\r\n'
const KEY = 'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\n${HOST}${more}\r\n`
const post = (query: string, more = '') => {
  const body = JSON.stringify({ query })
  return `POST /graphql HTTP/1.1\r\n${HOST}content-type: application/json\r\n${more}content-length: ${body.length}\r\n\r\n${body}`
}
const upgrade = (protocol: string, more = '') => `connection: Upgrade\r\nupgrade: ${protocol}\r\n${more}`
const webSocket = (path = '/graphql', more = '') =>
  get(path, upgrade('websocket', `${KEY}sec-websocket-protocol: graphql-transport-ws\r\n${more}`))

/** A server whose `slow` and whose readiness wait until they are let go. */
async function startSlow() {
  let letGo: () => void = () => undefined
  const released = new Promise<void>((resolve) => (letGo = resolve))
  const schema = schemaOf(sdl, {
    'Query.hello': () => 'you',
    'Query.slow': () => released.then(() => 'done'),
    'Subscription.never': () => new Repeater<unknown>(async (_push, stop) => stop),
  })
  const server = await serve(schema, {
    isReady: () => released.then(() => ({ ready: true })),
    receiptTimes: { ...RECEIPT_TIMES, initMs: 500 },
  })
  return { server, letGo }
}

const sockets = new Set<Socket>()
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

/** Sends it in one packet. `statuses` are those of the answers so far, in the order in which they came. */
async function sendAll(server: Served, text: string, { halfClosed = false } = {}) {
  const socket = connect(server.port, '127.0.0.1')
  sockets.add(socket)
  let received = ''
  let isClosed = false
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.on('error', () => undefined).once('close', () => (isClosed = true))
  await once(socket, 'connect')
  if (halfClosed) socket.end(text, 'latin1')
  else socket.write(text, 'latin1')
  return {
    statuses: () => [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)),
    text: () => received,
    isClosed: () => isClosed,
    more: (next: string) => socket.write(next, 'latin1'),
  }
}

const unfinished = [
  ['GET /ready', get('/ready')],
  ['a query', post('{ slow }')],
  ['HEAD /ready', get('/ready').replace('GET', 'HEAD')],
  ['two queries', post('{ hello }') + post('{ slow }')],
  ['a query with Expect: 100-continue', post('{ slow }', 'expect: 100-continue\r\n')],
] as const

describe.each(unfinished)('an upgrade behind %s that is not answered yet', (_, ahead) => {
  it.each([
    ['refused', webSocket('/nowhere'), 404],
    ['refused to a page of another site', webSocket('/graphql', 'origin: https://elsewhere.example\r\n'), 403],
    ['accepted', webSocket(), 101],
    ['ignored, of a protocol that nobody knows', get('/health', upgrade('foo')), 200],
    ['ignored, h2c', get('/health', upgrade('h2c', 'http2-settings: AAMAAABk\r\n')), 200],
    ['ignored, with a body', post('{ hello }', upgrade('foo')), 200],
  ])('waits for the answer where it is %s', async (_kind, asked, answered) => {
    const { server, letGo } = await startSlow()
    const { statuses } = await sendAll(server, ahead + asked)
    const final = () => statuses().filter((given) => given !== 100)
    const before = ahead
      .split(' HTTP/1.1\r\n')
      .slice(1)
      .map(() => 200)
    await delay(50)
    expect(final().length).toBeLessThan(before.length)
    letGo()
    await until(() => expect(final()).toEqual([...before, answered]))
    expect((await rawRequest(server, '/health')).status).toBe(200)
  })
})

describe('an upgrade', () => {
  it('behind an answer that does not end is not served: the connection is closed', async () => {
    const { server } = await startSlow()
    for (const asked of [webSocket(), webSocket('/nowhere'), get('/health', upgrade('foo'))]) {
      const stream = post('subscription { never }', 'accept: text/event-stream\r\n')
      const { statuses, isClosed } = await sendAll(server, stream + asked)
      await until(() => expect(isClosed()).toBe(true))
      expect(statuses()).toEqual([200])
    }
    await until(() => expect(server.state()).toMatchObject({ connections: 0, streams: { sse: 0 } }))
  })

  it('behind a refused request waits for the refusal', async () => {
    const { server } = await startSlow()
    const { statuses } = await sendAll(server, get('/nothing') + webSocket())
    await until(() => expect(statuses()).toEqual([404, 101]))
  })

  it('behind another one is part of what that one carries', async () => {
    const { server } = await startSlow()
    const refusedTwice = await sendAll(server, webSocket('/nowhere') + webSocket('/nowhere'))
    await until(() => expect(refusedTwice.isClosed()).toBe(true))
    expect(refusedTwice.statuses()).toEqual([404])
    // To a WebSocket it is a frame against the protocol.
    const acceptedTwice = await sendAll(server, webSocket() + webSocket())
    await until(() => expect(acceptedTwice.isClosed()).toBe(true))
    expect(acceptedTwice.statuses()).toEqual([101])
    const ignoredTwice = await sendAll(
      server,
      get('/health', upgrade('foo')) + get('/health', upgrade('bar')) + webSocket(),
    )
    await until(() => expect(ignoredTwice.statuses()).toEqual([200, 200, 101]))
  })

  it('whose connection is reset while it waits leaves nothing behind', async () => {
    const { server, letGo } = await startSlow()
    for (const asked of [webSocket(), webSocket('/nowhere'), get('/health', upgrade('foo'))]) {
      await sendAll(server, get('/ready') + asked)
    }
    await until(() => expect(server.state().connections).toBe(3))
    for (const socket of sockets) socket.resetAndDestroy()
    letGo()
    await until(() => expect(server.state().connections).toBe(0))
  })

  it('whose client sends nothing more, and has said so, is not served, and the answer before it is', async () => {
    const { server, letGo } = await startSlow()
    const asked = [
      webSocket('/nowhere'),
      get('/health', upgrade('foo')),
      post('{ hello }', upgrade('h2c')),
      webSocket(),
    ]
    const sent = await Promise.all(asked.map((text) => sendAll(server, get('/ready') + text, { halfClosed: true })))
    await delay(50)
    letGo()
    for (const { isClosed, statuses } of sent) {
      await until(() => expect(isClosed()).toBe(true))
      expect(statuses()).toEqual([200])
    }
  })

  it('with a body that comes in pieces is ignored, and what follows is answered', async () => {
    const { server, letGo } = await startSlow()
    const { statuses, more } = await sendAll(server, get('/ready') + post('{ hello }', upgrade('foo')).slice(0, -5))
    await delay(50)
    more(`lo }"}`.slice(-5) + get('/nothing'))
    letGo()
    await until(() => expect(statuses()).toEqual([200, 200, 404]))
  })

  it('is ignored as often as a client asks over one connection', async () => {
    const { server } = await startSlow()
    const { statuses } = await sendAll(server, get('/health', upgrade('foo')).repeat(500))
    await until(() => expect(statuses().length).toBe(500))
    expect(new Set(statuses())).toEqual(new Set([200]))
  })

  it('by CONNECT closes the connection, also behind an unfinished answer', async () => {
    const { server, letGo } = await startSlow()
    for (const ahead of ['', get('/ready')]) {
      const { isClosed } = await sendAll(server, `${ahead}CONNECT localhost:1 HTTP/1.1\r\n${HOST}\r\n`)
      await until(() => expect(isClosed()).toBe(true))
    }
    letGo()
    expect((await rawRequest(server, '/health')).status).toBe(200)
  })
})

describe('pipelined requests', () => {
  it('are all answered, in order, and no more than a hundred of one connection are worked on at once', async () => {
    let running = 0
    let most = 0
    const schema = schemaOf('type Query { place(n: Int): Int }', {
      'Query.place': async (_source, { n }) => {
        most = Math.max(most, (running += 1))
        await delay(2)
        running -= 1
        return n
      },
    })
    const server = await serve(schema)
    const requests = Array.from({ length: 600 }, (_, n) => post(`{ place(n: ${n}) }`))
    const { text } = await sendAll(server, requests.join(''))
    const places = () => [...text().matchAll(/"place":(\d+)/g)].map(([, n]) => Number(n))
    await until(() => expect(places()).toHaveLength(requests.length))
    expect(places()).toEqual(requests.map((_, n) => n))
    expect(most).toBeLessThanOrEqual(100)
    expect(most).toBeGreaterThan(10)
  })

  it('are not begun once their client has gone', async () => {
    const { server, letGo } = await startSlow()
    await sendAll(server, get('/ready').repeat(101) + get('/nothing').repeat(500))
    await delay(50)
    for (const socket of sockets) socket.resetAndDestroy()
    // Nothing is read from the connection meanwhile: that the client has gone is seen when the first answer is written.
    letGo()
    await until(() => expect(server.state().connections).toBe(0))
    expect(server.log.filter(({ path }) => path === '/nothing')).toEqual([])
  })
})
