import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Repeater } from 'graphql-yoga'
import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors/fault.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { schemaOf, serve, until } from './http-support.ts'
import { openSocket, type RawSocket } from './socket-client.ts'

const schema = schemaOf('type Query { hello: String } type Subscription { never: Int }', {
  'Query.hello': () => 'you',
  'Subscription.never': () => new Repeater<unknown>(async (_push, stop) => stop),
})
const GOOD = 'Bearer good'

/** Admits whoever shows GOOD, after a turn of the event loop. */
const start = () =>
  serve(schema, {
    admit: async ({ authorization }) => {
      await delay(1)
      if (authorization === GOOD) return { principal: localOperator, watch: () => undefined }
      throw new Fault('UNAUTHENTICATED', 'Say who calls.')
    },
  })

const opened = new Set<{ terminate(): void }>()
afterEach(() => {
  for (const socket of opened) socket.terminate()
  opened.clear()
})
async function open(server: { readonly url: string }): Promise<RawSocket> {
  const raw = await openSocket(server, { init: false })
  raw.socket.on('error', () => undefined)
  opened.add(raw.socket)
  return raw
}
const init = (payload: Record<string, unknown> = {}) => ({ type: 'connection_init', payload })

/** A WebSocket whose client answers nothing, not even a close. */
async function openMute(server: {
  readonly url: string
}): Promise<{ readonly socket: Socket; readonly isClosed: () => boolean }> {
  const { port, hostname } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  opened.add({ terminate: () => socket.destroy() })
  let isClosed = false
  socket.on('error', () => undefined).once('close', () => (isClosed = true))
  socket.write(
    'GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
      'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n',
  )
  await once(socket, 'data')
  socket.resume()
  return { socket, isClosed: () => isClosed }
}

/** A masked frame of a client, of up to 125 bytes. @param first its first byte: FIN and the opcode */
function frame(first: number, payload: string): Buffer {
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)])
}

describe('before it has shown who it is, a WebSocket client', () => {
  it.each([
    ['in its payload, with wrong credentials', { authorization: 'Bearer bad', filling: 'x'.repeat(9_000) }],
    ['in its payload, with right ones', { authorization: GOOD, filling: 'x'.repeat(9_000) }],
    ['as authorization', { authorization: 'x'.repeat(9_000) }],
    ['of a megabyte of objects', { objects: Array.from({ length: 300_000 }, () => ({})) }],
  ])('may not send more than 8 KiB: %s', async (_, payload) => {
    const server = await start()
    const client = await open(server)
    client.send(init(payload))
    expect(await client.closed).toMatchObject({ code: 1009 })
    expect(client.messages).toEqual([])
    await until(() => expect(server.state().webSockets).toBe(0))
  })

  it('may not send more than 8 KiB in small messages or fragments either', async () => {
    const server = await start()
    const pinging = await open(server)
    for (let n = 0; n < 500; n += 1) pinging.send({ type: 'ping', payload: { n } })
    expect(await pinging.closed).toMatchObject({ code: 1009 })
    const splitting = await open(server)
    for (let n = 0; n < 2_000; n += 1) splitting.socket.send('x', { fin: false })
    expect([1008, 1009]).toContain((await splitting.closed).code)
    await until(() => expect(server.state().webSockets).toBe(0))
  })

  it('is served with a connection_init of 7 KiB, and may send more from then on', async () => {
    const client = await open(await start())
    client.send(init({ authorization: GOOD, filling: 'x'.repeat(7_000) }))
    await until(() => expect(client.messages).toEqual([{ type: 'connection_ack' }]))
    client.subscribe('1', `{ hello } ${'#'.repeat(50_000)}`)
    expect((await client.told('1', 'complete'))[0]?.payload).toEqual({ data: { hello: 'you' } })
  })

  it('is cut off within 2 s of its refusal, also where it never answers the close', async () => {
    const server = await start()
    const { socket, isClosed } = await openMute(server)
    socket.write(frame(0x81, JSON.stringify(init({ authorization: 'Bearer bad' }))))
    const from = performance.now()
    await until(() => expect(isClosed()).toBe(true))
    expect(performance.now() - from).toBeLessThan(2_000)
    expect(server.state().webSockets).toBe(0)
  })

  it('displaces the oldest of a thousand that hold theirs, and is served', { timeout: 60_000 }, async () => {
    const server = await start()
    const holding: Awaited<ReturnType<typeof openMute>>[] = []
    while (holding.length < 1_000) {
      holding.push(...(await Promise.all(Array.from({ length: 100 }, () => openMute(server)))))
    }
    const client = await open(server)
    client.send(init({ authorization: GOOD }))
    await until(() => expect(client.messages).toEqual([{ type: 'connection_ack' }]))
    await until(() => expect(holding.filter(({ isClosed }) => isClosed())).toHaveLength(1))
    expect(holding[0]?.isClosed()).toBe(true)
  })
})

describe('once it is known, a WebSocket client', () => {
  it('may send a message in a hundred fragments, and not in a thousand', async () => {
    const client = await open(await start())
    client.send(init({ authorization: GOOD }))
    await until(() => expect(client.messages).toEqual([{ type: 'connection_ack' }]))
    const message = JSON.stringify({ type: 'subscribe', id: '1', payload: { query: `{ hello } ${'#'.repeat(1_000)}` } })
    const step = Math.ceil(message.length / 100)
    for (let at = 0; at < message.length; at += step) {
      client.socket.send(message.slice(at, at + step), { fin: at + step >= message.length })
    }
    await client.told('1', 'complete')
    for (let n = 0; n < 1_000; n += 1) client.socket.send('x', { fin: false })
    expect(await client.closed).toMatchObject({ code: 1008 })
  })
})

describe('a message that a client may not send', () => {
  const outOfTurn = [
    ['connection_ack', { type: 'connection_ack' }, 4400],
    ['next', { type: 'next', id: '1', payload: { data: null } }, 4400],
    ['error', { type: 'error', id: '1', payload: [{ message: 'no' }] }, 4400],
    ['complete', { type: 'complete', id: '1' }, 4400],
    ['subscribe', { type: 'subscribe', id: '1', payload: { query: '{ hello }' } }, 4401],
    ['of no known type', { type: 'start', id: '1', payload: { query: '{ hello }' } }, 4400],
    ['without a type', {}, 4400],
    ['that is no JSON', '{"type":', 4400],
    ['that is a list', '[]', 4400],
    ['a ping whose payload is no object', '{"type":"ping","payload":7}', 4400],
  ] as const

  it.each(outOfTurn)('before connection_init closes its socket: %s', async (_, message, code) => {
    const server = await start()
    const client = await open(server)
    client.send(message as never)
    expect(await client.closed).toMatchObject({ code })
    await until(() => expect(server.state().webSockets).toBe(0))
    expect(server.log.filter(({ level }) => level > 20)).toEqual([])
    expect(server.logText()).not.toMatch(/ at .*\.(ts|js):\d+/)
  })

  it.each(outOfTurn.filter(([kind]) => !['complete', 'subscribe'].includes(kind)))(
    'after it closes its socket too: %s',
    async (_, message, code) => {
      const server = await start()
      const client = await open(server)
      client.send(init({ authorization: GOOD }))
      await until(() => expect(client.messages).toEqual([{ type: 'connection_ack' }]))
      client.send(message as never)
      expect(await client.closed).toMatchObject({ code })
      expect(server.log.filter(({ level }) => level > 20)).toEqual([])
    },
  )

  it.each([
    ['binary junk', Buffer.from([0xff, 0xfe, 0x00])],
    ['binary text that is no UTF-8', Buffer.from('{"type":"ping","payload":{"a":"Jos\xe9"}}', 'latin1')],
    [
      'an id of 300 characters',
      JSON.stringify({ type: 'subscribe', id: 'x'.repeat(300), payload: { query: '{ hello }' } }),
    ],
  ])('closes its socket with 4400: %s', async (_, message) => {
    const server = await start()
    const client = await open(server)
    client.socket.send(message)
    expect(await client.closed).toMatchObject({ code: 4400 })
    expect(server.log.filter(({ level }) => level > 20)).toEqual([])
  })

  it('is no ping: that is answered at any time, with its payload, however long, and without where it nests too deep to be written', async () => {
    const client = await open(await start())
    client.send({ type: 'ping', payload: { n: 1 } })
    client.send(init({ authorization: GOOD }))
    await until(() => expect(client.messages).toHaveLength(2))
    client.send({ type: 'ping', payload: { long: 'x'.repeat(100_000) } })
    client.send(`{"type":"ping","payload":{"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`)
    await until(() => expect(client.messages).toHaveLength(4))
    expect(client.messages).toEqual([
      { type: 'pong', payload: { n: 1 } },
      { type: 'connection_ack' },
      { type: 'pong', payload: { long: 'x'.repeat(100_000) } },
      { type: 'pong' },
    ])
  })
})
