import { once } from 'node:events'
import { connect } from 'node:net'
import { Repeater } from 'graphql-yoga'
import { createClient } from 'graphql-ws'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Fault } from '../../../src/errors/fault.ts'
import { SUBPROTOCOL_REFUSAL } from '../../../src/websocket/subprotocol.ts'
import { floodSource, rawRequest, schemaOf, serve, until } from './http-support.ts'
import { addressOf, openSocket, refusedUpgrade } from './socket-client.ts'

const sdl = `
  type Query { hello(name: String!): String boom: String broken: String slow: String }
  type Mutation { count: Int! }
  type Subscription { ticks: Int! refused: Int! never: Int! }`

/** A schema with one of everything, and what became of it. */
function everything() {
  const seen = {
    counted: 0,
    slowWaiting: 0,
    finishSlow: (): void => undefined,
    opened: 0,
    returned: 0,
    push: (_event: unknown): Promise<unknown> => Promise.reject(new Error('nobody subscribed')),
    fail: (_error?: unknown): void => {
      throw new Error('nobody subscribed')
    },
  }
  const finished = new Promise<void>((resolve) => (seen.finishSlow = resolve))
  const schema = schemaOf(sdl, {
    'Query.hello': (_source, { name }) => `hello ${String(name)}`,
    'Query.boom': () => {
      throw new Error('connect postgresql://u:hunter2@db/x failed')
    },
    'Query.broken': () => {
      throw new Fault('SERVICE_UNAVAILABLE', 'The database is away: try again.')
    },
    'Query.slow': async () => {
      seen.slowWaiting += 1
      await finished
      return 'done'
    },
    'Mutation.count': () => (seen.counted += 1),
    'Subscription.ticks': () =>
      new Repeater<unknown>(async (push, stop) => {
        seen.opened += 1
        seen.push = (event) => Promise.resolve(push(event))
        seen.fail = stop
        await stop
        seen.returned += 1
      }),
    'Subscription.refused': () => {
      throw new Fault('CURSOR_EXPIRED', 'List again.')
    },
    'Subscription.never': () => new Repeater<unknown>(async (_push, stop) => stop),
  })
  return { seen, schema }
}

const clients = new Set<WebSocket>()
const opened = async (...args: Parameters<typeof openSocket>) => {
  const raw = await openSocket(...args)
  clients.add(raw.socket)
  return raw
}
afterEach(() => {
  for (const client of clients) client.terminate()
  clients.clear()
})

describe('over a WebSocket', () => {
  it('queries, mutations and subscriptions are answered as graphql-ws’ client expects it', async () => {
    const { seen, schema } = everything()
    const client = createClient({ url: addressOf(await serve(schema)), webSocketImpl: WebSocket, retryAttempts: 0 })
    const query = 'query ($name: String!) { hello(name: $name) }'
    const one = async (request: { query: string; variables?: Record<string, unknown> }) =>
      (await client.iterate(request).next()).value as unknown
    expect(await one({ query, variables: { name: 'ada' } })).toEqual({ data: { hello: 'hello ada' } })
    expect(await one({ query: 'mutation { count }' })).toEqual({ data: { count: 1 } })
    const ticks = client.iterate({ query: 'subscription { ticks }' })
    const first = ticks.next()
    await until(() => expect(seen.opened).toBe(1))
    await seen.push({ ticks: 1 })
    expect((await first).value).toEqual({ data: { ticks: 1 } })
    await ticks.return?.()
    await until(() => expect(seen.returned).toBe(1))
    await client.dispose()
  })

  it('what is wrong with an operation is told for it alone, and the socket goes on', async () => {
    const client = await opened(await serve(everything().schema))
    const errorOf = async (id: string) => (await client.told(id, 'error'))[0]?.payload
    client.subscribe('syntax', '{ hello(')
    client.subscribe('validation', '{ unheard }')
    client.subscribe('none', 'fragment F on Query { boom }')
    client.subscribe('name', 'query A { boom } query B { boom }', { operationName: 'C' })
    client.subscribe('variable', 'query ($name: String!) { hello(name: $name) }', { variables: { name: 12 } })
    expect(await errorOf('syntax')).toMatchObject([
      { message: expect.stringContaining('Syntax Error'), extensions: { code: 'BAD_USER_INPUT' } },
    ])
    expect(await errorOf('validation')).toMatchObject([
      { message: expect.stringContaining('unheard'), extensions: { code: 'BAD_USER_INPUT' } },
    ])
    expect(await errorOf('none')).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    expect(await errorOf('name')).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    const [answer] = await client.told('variable', 'complete')
    expect(answer?.payload).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
    client.subscribe('fine', '{ hello(name: "ada") }')
    expect((await client.told('fine', 'next'))[0]?.payload).toEqual({ data: { hello: 'hello ada' } })
    // What HTTP makes its status of is no part of the answer.
    expect(JSON.stringify(client.messages)).not.toContain('"http"')
  })

  it('an unexpected error is a request id to the client, and the log in full under the same id', async () => {
    const { seen, schema } = everything()
    const server = await serve(schema)
    const client = await opened(server)
    client.subscribe('boom', '{ boom }')
    client.subscribe('stream', 'subscription { ticks }')
    await until(() => expect(seen.opened).toBe(1))
    seen.fail(new Error('LISTEN lost on postgresql://u:hunter2@db/x'))
    const [result] = await client.told('boom', 'complete')
    const [failure] = await client.told('stream', 'error')
    const requestIds = [result?.payload.errors[0], failure?.payload[0]].map(({ extensions }) => {
      expect(extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: expect.any(String) })
      return extensions.requestId as string
    })
    expect(new Set(requestIds).size).toBe(2)
    expect(JSON.stringify(client.messages)).not.toMatch(/hunter2|LISTEN|postgresql/)
    const logged = server.log.filter(({ msg }) => msg === 'unexpected error').map(({ requestId }) => requestId)
    expect(logged).toEqual(requestIds)
    expect(server.logText()).not.toContain('hunter2')
  })

  it('a context that can’t be made is an unexpected error of its operation', async () => {
    const createContext = () => {
      throw new TypeError('hunter2')
    }
    const client = await opened(await serve(everything().schema, { createContext }))
    client.subscribe('1', '{ hello(name: "ada") }')
    expect((await client.told('1', 'error'))[0]?.payload).toMatchObject([
      { extensions: { code: 'INTERNAL_SERVER_ERROR' } },
    ])
    expect(JSON.stringify(client.messages)).not.toContain('hunter2')
  })

  it('a fault keeps its code and message, also where it keeps a subscription from opening or ends it', async () => {
    const { seen, schema } = everything()
    const client = await opened(await serve(schema))
    client.subscribe('query', '{ broken }')
    client.subscribe('refused', 'subscription { refused }')
    client.subscribe('ended', 'subscription { ticks }')
    await until(() => expect(seen.opened).toBe(1))
    seen.fail(new Fault('CURSOR_EXPIRED', 'You were too slow: list again.'))
    expect((await client.told('query', 'complete'))[0]?.payload.errors).toMatchObject([
      { message: 'The database is away: try again.', extensions: { code: 'SERVICE_UNAVAILABLE' } },
    ])
    expect((await client.told('refused', 'complete'))[0]?.payload.errors).toMatchObject([
      { message: 'List again.', extensions: { code: 'CURSOR_EXPIRED' } },
    ])
    expect((await client.told('ended', 'error'))[0]?.payload).toMatchObject([
      { message: 'You were too slow: list again.', extensions: { code: 'CURSOR_EXPIRED' } },
    ])
  })

  it('each operation has a context and a line in the log of its own', async () => {
    const { seen, schema } = everything()
    const contexts: string[] = []
    const server = await serve(schema, {
      createContext: ({ requestId }) => {
        contexts.push(requestId)
        return {}
      },
    })
    const client = await opened(server)
    client.subscribe('1', 'query Greet { hello(name: "ada") }')
    await client.told('1', 'complete')
    client.subscribe('2', '{ unheard }')
    await client.told('2', 'error')
    client.subscribe('3', 'subscription Watch { ticks }')
    await until(() => expect(seen.opened).toBe(1))
    await seen.push({ ticks: 1 })
    await client.told('3', 'next')
    client.send({ type: 'complete', id: '3' })
    await until(() => expect(server.log).toHaveLength(4))
    const [greet, wrong, started, ended] = server.log
    expect(greet).toMatchObject({
      ...{ level: 30, msg: 'request', operationName: 'Greet', operationType: 'query', rootFields: ['hello'] },
      ...{ outcome: 'ok', durationMs: expect.any(Number), requestId: contexts[0] },
    })
    expect(wrong).toMatchObject({ msg: 'request', path: '/graphql', outcome: 'BAD_USER_INPUT' })
    const watch = {
      operationName: 'Watch',
      operationType: 'subscription',
      rootFields: ['ticks'],
      requestId: contexts[1],
    }
    expect(started).toMatchObject({ msg: 'subscription started', ...watch })
    expect(ended).toMatchObject({ msg: 'subscription ended', ...watch, events: 1, outcome: 'ok' })
    expect(contexts).toHaveLength(2)
    expect(new Set([...contexts, wrong?.['requestId']]).size).toBe(3)
  })

  it('what a client that vanished was waiting for is over', async () => {
    const { seen, schema } = everything()
    const server = await serve(schema)
    const client = await opened(server)
    for (const id of ['1', '2', '3']) client.subscribe(id, 'subscription { ticks }')
    client.subscribe('4', 'query Slow { slow }')
    await until(() => expect([seen.opened, seen.slowWaiting]).toEqual([3, 1]))
    client.socket.terminate()
    await until(() => expect(seen.returned).toBe(3))
    await until(() => expect(server.log.filter(({ msg }) => msg === 'subscription ended')).toHaveLength(3))
    expect(server.log).toContainEqual(expect.objectContaining({ operationName: 'Slow', outcome: 'client left' }))
    seen.finishSlow()
  })
})

describe('a WebSocket', () => {
  it('is refused to a page of another site', async () => {
    const server = await serve(everything().schema)
    for (const origin of ['https://evil.example', `http://127.0.0.1.evil.example:${server.port}`, 'null', 'file://']) {
      const { status, text } = await refusedUpgrade(addressOf(server), { headers: { origin } })
      expect({ origin, status }).toEqual({ origin, status: 403 })
      expect(text).toContain('Origin and Host')
    }
    expect(server.log[0]).toMatchObject({ msg: 'request', path: '/graphql', status: 403, outcome: 'BAD_USER_INPUT' })
  })

  it('is given to a page of the same site, with the default port or another, and to programs', async () => {
    const server = await serve(everything().schema)
    await opened(server, { headers: { origin: `http://127.0.0.1:${server.port}` } })
    await opened(server, { headers: { origin: 'https://Waymark.example', host: 'waymark.example:443' } })
    await opened(server)
  })

  it('is refused at another path, and the connection closed', async () => {
    const server = await serve(everything().schema)
    for (const path of ['/', '/graphqlx', '/health']) {
      const { status, headers } = await refusedUpgrade(`ws://127.0.0.1:${server.port}${path}`)
      expect({ path, status, connection: headers.connection }).toEqual({ path, status: 404, connection: 'close' })
    }
  })

  it.each(['', 'graphql-ws', 'mqtt'])(
    'closes with 4406 where the subprotocol is not ours, and says which is: "%s"',
    async (protocol) => {
      const client = await opened(await serve(everything().schema), { protocol, init: false })
      expect(client.socket.protocol).toBe(protocol)
      expect(await client.closed).toEqual({ code: 4406, reason: SUBPROTOCOL_REFUSAL })
    },
  )

  it('prefers ours where a client offers several subprotocols', async () => {
    const server = await serve(everything().schema)
    const socket = new WebSocket(addressOf(server), ['graphql-ws', 'graphql-transport-ws'])
    await once(socket, 'open')
    expect(socket.protocol).toBe('graphql-transport-ws')
    socket.terminate()
  })

  it('closes as the protocol says on messages that it can’t mean', async () => {
    const server = await serve(everything().schema)
    const codeAfter = async (init: boolean, ...messages: string[]) => {
      const client = await opened(server, { init })
      for (const message of messages) client.send(message)
      return (await client.closed).code
    }
    const subscribe = JSON.stringify({ type: 'subscribe', id: '1', payload: { query: 'subscription { never }' } })
    expect(await codeAfter(true, 'no JSON')).toBe(4400)
    expect(await codeAfter(true, '{"type":"subscribe","id":"1"}')).toBe(4400)
    // Several operations at once.
    expect(await codeAfter(true, `[${subscribe}]`)).toBe(4400)
    expect(await codeAfter(true, subscribe.replace(/"payload":(.*)}$/, '"payload":[$1]}'))).toBe(4400)
    expect(await codeAfter(false, subscribe)).toBe(4401)
    expect(await codeAfter(true, subscribe, subscribe)).toBe(4409)
    expect(await codeAfter(true, '{"type":"connection_init"}')).toBe(4429)
    // Not of a client's to send.
    expect(await codeAfter(true, '{"type":"connection_ack"}')).toBe(4400)
  })

  it('takes a message of 1 MiB and none above, and does not compress', async () => {
    const server = await serve(everything().schema)
    const client = await opened(server)
    expect(client.socket.extensions).toBe('')
    const fill = (bytes: number) => {
      // Not in the query: a document has a limit of its own, which is lower.
      const payload = { query: '{ hello(name: "ada") }', extensions: { padding: '#' } }
      const message = JSON.stringify({ type: 'subscribe', id: '1', payload })
      return message.replace('#', `#${'x'.repeat(bytes - message.length)}`)
    }
    client.send(fill(1024 * 1024))
    await client.told('1', 'complete')
    client.send(fill(1024 * 1024 + 1))
    expect(await client.closed).toMatchObject({ code: 1009 })
  })

  it('carries 100 operations at once; one more is refused, and served once there is room', async () => {
    const server = await serve(everything().schema)
    const client = await opened(server)
    for (let id = 1; id <= 100; id += 1) client.subscribe(String(id), 'subscription { never }')
    client.subscribe('101', '{ hello(name: "ada") }')
    expect((await client.told('101', 'error'))[0]?.payload).toMatchObject([
      { message: expect.stringContaining('100 operations'), extensions: { code: 'BAD_USER_INPUT' } },
    ])
    client.send({ type: 'complete', id: '1' })
    await until(() => expect(server.log.filter(({ msg }) => msg === 'subscription ended')).toHaveLength(1))
    client.subscribe('102', '{ hello(name: "ada") }')
    await client.told('102', 'next')
  })

  it('holds sources back while its client does not read', async () => {
    const flood = floodSource()
    const client = await opened(await serve(flood.schema))
    client.socket.pause()
    client.subscribe('1', 'subscription { flood }')
    await flood.stall()
    client.socket.terminate()
    await until(() => expect(flood.returned()).toBe(1))
  })

  it('reads nothing more from a client that takes no answers', async () => {
    const server = await serve(everything().schema)
    const client = await opened(server)
    client.socket.pause()
    // Each is answered with as much: were all read, the server would hold 40 MB.
    const ping = JSON.stringify({ type: 'ping', payload: { fill: 'x'.repeat(100_000) } })
    for (let count = 0; count < 400; count += 1) client.send(ping)
    let [unsent, looks] = [Infinity, 0]
    await until(() => {
      looks = client.socket.bufferedAmount === unsent ? looks + 1 : 0
      unsent = client.socket.bufferedAmount
      expect(looks).toBe(20)
    })
    expect(unsent).toBeGreaterThan(5_000_000)
    client.socket.resume()
    await until(() => expect(client.messages).toHaveLength(401))
  })
})

describe('other requests for an upgrade', () => {
  it('are answered as if they had asked for none, with their body, and again on the same connection', async () => {
    const server = await serve(everything().schema)
    const body = JSON.stringify({ query: '{ hello(name: "ada") }' })
    const headers = {
      ...{ 'content-type': 'application/json', 'content-length': body.length },
      ...{
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      },
    }
    expect(await rawRequest(server, '/graphql', { method: 'POST', headers }, body)).toMatchObject({
      status: 200,
      text: '{"data":{"hello":"hello ada"}}',
    })
    // As Java's HttpClient does it: the body comes later, and another request after it.
    const socket = connect(server.port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    const head = (extra: string) =>
      `POST /graphql HTTP/1.1\r\nhost: x\r\n${extra}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    socket.write(head('connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n'))
    await rawRequest(server, '/health')
    socket.write(body)
    await until(() => expect(text.match(/hello ada/g)).toHaveLength(1))
    socket.write(head('') + body)
    await until(() => expect(text.match(/hello ada/g)).toHaveLength(2))
    socket.destroy()
  })
})

describe('closing the server', () => {
  it('answers what a socket waits for, completes no subscription, then closes with 1001', async () => {
    const { seen, schema } = everything()
    const server = await serve(schema)
    const [busy, idle] = [await opened(server), await opened(server)]
    for (const client of [busy, idle]) client.subscribe('watch', 'subscription { ticks }')
    busy.subscribe('slow', '{ slow }')
    await until(() => expect([seen.opened, seen.slowWaiting]).toEqual([2, 1]))
    const closing = server.close({ drainTimeoutMs: 60_000 })
    expect(await idle.closed).toEqual({ code: 1001, reason: 'Going away' })
    busy.subscribe('late', 'mutation { count }')
    seen.finishSlow()
    expect(await busy.closed).toEqual({ code: 1001, reason: 'Going away' })
    await closing
    expect(busy.messages.slice(1)).toEqual([
      { type: 'next', id: 'slow', payload: { data: { slow: 'done' } } },
      { type: 'complete', id: 'slow' },
    ])
    expect(idle.messages).toHaveLength(1)
    expect(seen).toMatchObject({ returned: 2, counted: 0 })
  })

  it('cuts a client that does not answer when the time is over', async () => {
    const { seen, schema } = everything()
    const server = await serve(schema)
    const client = await opened(server)
    client.subscribe('1', 'subscription { ticks }')
    await until(() => expect(seen.opened).toBe(1))
    client.socket.pause()
    await server.close({ drainTimeoutMs: 50 })
    await until(() => expect(seen.returned).toBe(1))
    client.socket.resume()
    await client.closed
  })

  it('sends a stock client to whoever serves the address next, where it subscribes again', async () => {
    const { seen, schema } = everything()
    const server = await serve(schema)
    const client = createClient({
      url: addressOf(server),
      webSocketImpl: WebSocket,
      retryAttempts: 100,
      retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
    })
    const ticks = client.iterate({ query: 'subscription { ticks }' })
    const first = ticks.next()
    await until(() => expect(seen.opened).toBe(1))
    await server.close({ drainTimeoutMs: 60_000 })
    await serve(schema, { port: server.port })
    await until(() => expect(seen.opened).toBe(2))
    await seen.push({ ticks: 7 })
    expect((await first).value).toEqual({ data: { ticks: 7 } })
    await ticks.return?.()
    await client.dispose()
  })
})
