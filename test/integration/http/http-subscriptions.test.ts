import { connect } from 'node:net'
import { Repeater } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors/fault.ts'
import { floodSource, post, schemaOf, serve, subscribe, until } from './http-support.ts'

/** A source that says when it is opened and returned, and hands out what is pushed. */
function tickSource() {
  const source = {
    opened: 0,
    returned: 0,
    push: (_event: unknown): Promise<unknown> => Promise.reject(new Error('nobody subscribed')),
    fail: (_error: unknown): void => {
      throw new Error('nobody subscribed')
    },
    schema: schemaOf('type Query { hello: String } type Subscription { ticks: Int! }', {
      'Query.hello': () => 'hello',
      'Subscription.ticks': () =>
        new Repeater<unknown>(async (push, stop) => {
          source.opened += 1
          source.push = (event) => Promise.resolve(push(event))
          source.fail = stop
          await stop
          source.returned += 1
        }),
    }),
  }
  return source
}

describe('a subscription', () => {
  it('delivers events as they come, unbuffered by proxies, and completes when its source is done', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const stream = await subscribe(server, 'subscription { ticks }')
    expect(stream.response.status).toBe(200)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
    expect(stream.response.headers.get('x-accel-buffering')).toBe('no')
    expect(stream.response.headers.get('cache-control')).toBe('no-cache')
    expect(stream.response.headers.get('content-encoding')).toBeNull()
    await until(() => expect(source.opened).toBe(1))
    await source.push({ ticks: 1 })
    await stream.readUntil('event: next\ndata: {"data":{"ticks":1}}\n\n')
    await source.push({ ticks: 2 })
    await stream.readUntil('data: {"data":{"ticks":2}}')
    source.fail(undefined)
    expect(await stream.readToEnd()).toMatch(/event: complete\ndata:\n\n$/)
  })

  it('is returned when its client vanishes while nothing happens', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const streams = await Promise.all(Array.from({ length: 20 }, () => subscribe(server, 'subscription { ticks }')))
    await until(() => expect(source.opened).toBe(20))
    for (const stream of streams) stream.cancel()
    await until(() => expect(source.returned).toBe(20))
  })

  it('is returned when its client vanishes while the source is being opened', async () => {
    const opening: { finish?: () => void } = {}
    let returned = 0
    const source: AsyncIterableIterator<unknown> = {
      [Symbol.asyncIterator]: () => source,
      next: () => new Promise(() => undefined),
      return: () => {
        returned += 1
        return Promise.resolve({ done: true, value: undefined })
      },
    }
    const schema = schemaOf('type Query { a: Int } type Subscription { ticks: Int! }', {
      'Subscription.ticks': () =>
        new Promise((resolve) => {
          opening.finish = () => {
            resolve(source)
          }
        }),
    })
    const server = await serve(schema)
    const leave = new AbortController()
    const subscribing = expect(subscribe(server, 'subscription { ticks }', leave)).rejects.toThrow()
    await until(() => expect(opening.finish).toBeDefined())
    leave.abort()
    await subscribing
    await until(() => expect(server.log).toMatchObject([{ msg: 'request', outcome: 'client left' }]))
    opening.finish?.()
    await until(() => expect(returned).toBe(1))
  })

  it('that waits behind another one on its connection is over when the connection is', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const body = JSON.stringify({ query: 'subscription { ticks }' })
    const request = `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
    const socket = connect(server.port, '127.0.0.1')
    socket.write(request.repeat(3))
    await until(() => expect(source.opened).toBe(3))
    socket.destroy()
    await until(() => expect(source.returned).toBe(3))
    await until(() => expect(server.log.filter(({ msg }) => msg === 'subscription ended')).toHaveLength(3))
  })

  it('holds its source back while its client does not read', async () => {
    const flood = floodSource()
    const stream = await subscribe(await serve(flood.schema), 'subscription { flood }')
    await flood.stall()
    stream.cancel()
    await until(() => expect(flood.returned()).toBe(1))
  })

  it('masks what its source throws, and ends', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const stream = await subscribe(server, 'subscription { ticks }')
    await until(() => expect(source.opened).toBe(1))
    source.fail(new Error('LISTEN lost on postgresql://u:hunter2@db/x'))
    const text = await stream.readToEnd()
    const requestId = stream.response.headers.get('x-request-id')
    expect(text).toContain(`"extensions":{"code":"INTERNAL_SERVER_ERROR","requestId":"${String(requestId)}"}`)
    expect(text).toMatch(/event: complete\ndata:\n\n$/)
    expect(text).not.toContain('LISTEN')
    expect(server.log.filter(({ level }) => level >= 50)).toMatchObject([{ requestId }])
    expect(server.logText()).not.toContain('hunter2')
  })

  it('masks what an event’s field throws, and goes on', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const stream = await subscribe(server, 'subscription { ticks }')
    await until(() => expect(source.opened).toBe(1))
    await source.push({ ticks: 'no number: hunter2' })
    await source.push({ ticks: 3 })
    const text = await stream.readUntil('{"data":{"ticks":3}}')
    expect(text).toContain('INTERNAL_SERVER_ERROR')
    expect(text).not.toContain('hunter2')
  })

  it('passes a fault of its source on', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const stream = await subscribe(server, 'subscription { ticks }')
    await until(() => expect(source.opened).toBe(1))
    source.fail(new Fault('CURSOR_EXPIRED', 'List again.'))
    const text = await stream.readToEnd()
    expect(text).toContain('"message":"List again."')
    expect(text).toContain('"extensions":{"code":"CURSOR_EXPIRED"}')
  })

  it('that cannot be opened says why in the stream, with the status of its fault', async () => {
    const schema = schemaOf('type Query { a: Int } type Subscription { ticks: Int! }', {
      'Subscription.ticks': () => {
        throw new Fault('BAD_USER_INPUT', 'after is not supported yet.')
      },
    })
    const stream = await subscribe(await serve(schema), 'subscription { ticks }')
    expect(await stream.readToEnd()).toContain('"message":"after is not supported yet."')
  })

  it('answers a query by an event and completes, where only an event stream is accepted', async () => {
    const server = await serve(tickSource().schema)
    const stream = await subscribe(server, '{ hello }')
    expect(await stream.readToEnd()).toContain('event: next\ndata: {"data":{"hello":"hello"}}\n\nevent: complete')
  })

  it('answers a query by JSON where both are accepted and JSON is preferred', async () => {
    const accept = 'application/json, text/event-stream'
    const answer = await post(await serve(tickSource().schema), { query: '{ hello }' }, { accept })
    expect(answer.data).toEqual({ hello: 'hello' })
  })

  it('gets two lines in the log: one when it starts, one with its events when it ends', async () => {
    const source = tickSource()
    const server = await serve(source.schema)
    const stream = await subscribe(server, 'subscription Watch { ticks }')
    await until(() => expect(source.opened).toBe(1))
    const requestId = stream.response.headers.get('x-request-id')
    const operation = { requestId, operationName: 'Watch', operationType: 'subscription', rootFields: ['ticks'] }
    expect(server.log).toMatchObject([{ level: 30, msg: 'subscription started', ...operation }])
    await source.push({ ticks: 1 })
    await source.push({ ticks: 2 })
    await stream.readUntil('"ticks":2')
    stream.cancel()
    await until(() => expect(server.log).toHaveLength(2))
    expect(server.log[1]).toMatchObject({
      msg: 'subscription ended',
      ...operation,
      events: 2,
      outcome: 'ok',
      status: 200,
    })
    expect(server.log[1]?.['durationMs']).toBeTypeOf('number')
  })
})
