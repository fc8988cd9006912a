import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Repeater } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { floodSource, post, rawRequest, schemaOf, serve, subscribe, until } from './http-support.ts'

/** Longer than a test may take: what waits for its end fails. */
const longDrain = { drainTimeoutMs: 60_000 }

/** A field that answers when it is let go, a mutation that notes that it ran to its end, and a source that never has an event. */
function slowSchema() {
  const slow = { waiting: 0, finish: (): void => undefined, done: 0, opened: 0, returned: 0 }
  const released = new Promise<void>((resolve) => {
    slow.finish = resolve
  })
  const wait = async () => {
    slow.waiting += 1
    await released
    slow.done += 1
    return 'done'
  }
  const schema = schemaOf(
    'type Query { slow: String hello: String } type Mutation { slow: String } type Subscription { never: Int }',
    {
      'Query.slow': wait,
      'Query.hello': () => 'hello',
      'Mutation.slow': wait,
      'Subscription.never': () =>
        new Repeater<unknown>(async (_push, stop) => {
          slow.opened += 1
          await stop
          slow.returned += 1
        }),
    },
  )
  return { slow, schema }
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

function closed(socket: Socket): Promise<unknown> {
  socket.on('error', () => undefined)
  socket.resume()
  return socket.closed ? Promise.resolve() : once(socket, 'close')
}

describe('closing the server', () => {
  it('finishes what is in flight, says that the connection ends with it, and refuses new connections at once', async () => {
    const { slow, schema } = slowSchema()
    const server = await serve(schema)
    const answering = post(server, { query: '{ slow }' })
    await until(() => expect(slow.waiting).toBe(1))
    const closing = server.close(longDrain)
    await expect(open(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    slow.finish()
    const answer = await answering
    expect(answer.data).toEqual({ slow: 'done' })
    expect(answer.headers.get('connection')).toBe('close')
    await closing
  })

  it('closes connections that carry no request: kept alive, never used, or with half a request', async () => {
    const server = await serve(slowSchema().schema)
    const [keptAlive, unused, half] = [await open(server.port), await open(server.port), await open(server.port)]
    keptAlive.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(keptAlive, 'data')
    half.write('POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-le')
    await rawRequest(server, '/health') // by now the server has accepted the connections before it
    const all = Promise.all([keptAlive, unused, half].map(closed))
    await server.close(longDrain)
    await all
  })

  it('ends subscriptions with event: complete and returns their sources', async () => {
    const { slow, schema } = slowSchema()
    const server = await serve(schema)
    const streams = await Promise.all(Array.from({ length: 5 }, () => subscribe(server, 'subscription { never }')))
    await until(() => expect(slow.opened).toBe(5))
    const closing = server.close(longDrain)
    for (const stream of streams) expect(await stream.readToEnd()).toMatch(/event: complete\ndata:\n\n$/)
    await closing
    expect(slow.returned).toBe(5)
  })

  it('ends a subscription whose source is a generator that waits', async () => {
    const schema = schemaOf('type Query { a: Int } type Subscription { never: Int }', {
      'Subscription.never': async function* () {
        yield { never: 1 }
        await new Promise(() => undefined)
      },
    })
    const server = await serve(schema)
    const stream = await subscribe(server, 'subscription { never }')
    await stream.readUntil('{"data":{"never":1}}')
    const closing = server.close(longDrain)
    expect(await stream.readToEnd()).toMatch(/event: complete\ndata:\n\n$/)
    await closing
  })

  it('cuts what is left when the time is over', async () => {
    const { slow, schema } = slowSchema()
    const server = await serve(schema)
    const answering = post(server, { query: '{ slow }' })
    const cut = expect(answering).rejects.toThrow('fetch failed')
    await until(() => expect(slow.waiting).toBe(1))
    await server.close({ drainTimeoutMs: 50 })
    await cut
    slow.finish()
  })

  it('cuts a subscriber that does not read', async () => {
    const flood = floodSource()
    const server = await serve(flood.schema)
    const socket = await open(server.port)
    const body = '{"query":"subscription { flood }"}'
    socket.pause()
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n' +
        `content-length: ${body.length}\r\n\r\n${body}`,
    )
    await flood.stall()
    await server.close({ drainTimeoutMs: 50 })
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    await closed(socket)
    expect(text).not.toContain('event: complete')
    expect(flood.returned()).toBe(1)
  })

  it('waits for a mutation whose client has already left', async () => {
    const { slow, schema } = slowSchema()
    const server = await serve(schema)
    const socket = await open(server.port)
    const body = '{"query":"mutation { slow }"}'
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => expect(slow.waiting).toBe(1))
    socket.destroy()
    await until(() => expect(server.log).toMatchObject([{ msg: 'request', outcome: 'client left' }]))
    let isClosed = false
    const closing = server.close(longDrain).then(() => {
      isClosed = true
    })
    await expect(open(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(isClosed).toBe(false)
    slow.finish()
    await closing
    expect(slow.done).toBe(1)
  })

  it('can be asked for twice', async () => {
    const server = await serve(slowSchema().schema)
    await Promise.all([server.close(longDrain), server.close(longDrain)])
    await server.close(longDrain)
  })
})

describe('starting the server', () => {
  it('names the remedy in one line where the port is in use', async () => {
    const { schema } = slowSchema()
    const { port } = await serve(schema)
    await expect(serve(schema, { port })).rejects.toMatchObject({
      name: 'StartupError',
      message: `PORT=${port} is in use on 127.0.0.1: stop the other program or set PORT.`,
    })
  })

  it('names the remedy where the host is not this machine’s', async () => {
    await expect(serve(slowSchema().schema, { host: '192.0.2.1' })).rejects.toMatchObject({
      name: 'StartupError',
      message: 'HOST=192.0.2.1 is no address of this machine: set HOST to 127.0.0.1, or to one that is.',
    })
  })

  it('tells the URL that was asked for, with the port that was found', async () => {
    const server = await serve(slowSchema().schema)
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/graphql`)
    const everywhere = await serve(slowSchema().schema, { host: '0.0.0.0' })
    expect(everywhere.url).toBe(`http://localhost:${everywhere.port}/graphql`)
  })
})
