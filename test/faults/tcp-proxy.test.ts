import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** Answers each chunk with itself in capitals, and notes what it was sent. */
async function startShouter() {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard.push(text)
      socket.write(text.toUpperCase())
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    heard,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function dial(port: number) {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let failure: string | undefined
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code))
  await once(socket, 'connect')
  return { socket, text: () => text, failure: () => failure }
}

describe('the TCP proxy of the fault tests', () => {
  let server: Awaited<ReturnType<typeof startShouter>>
  let proxy: TcpProxy
  beforeEach(async () => {
    server = await startShouter()
    proxy = await startTcpProxy(server.port)
  })
  afterEach(async () => {
    await proxy[Symbol.asyncDispose]()
    await server.close()
  })

  it('carries both directions, and the end of a connection', async () => {
    const { socket, text } = await dial(proxy.port)
    socket.write('hello')
    await expect.poll(text).toBe('HELLO')
    expect(proxy.connections).toBe(1)
    socket.end()
    await expect.poll(() => [proxy.connections, server.sockets.size]).toEqual([0, 0])
  })

  it('carries megabytes in order', async () => {
    const { socket, text } = await dial(proxy.port)
    const sent = Array.from({ length: 400_000 }, (_, place) => `${place}`).join(' ')
    socket.write(sent)
    await expect.poll(() => text().length, { timeout: 20_000 }).toBe(sent.length)
    expect(text() === sent).toBe(true)
  })

  it('delays a direction, and keeps the order', async () => {
    proxy.delay('toClient', 200)
    const { socket, text } = await dial(proxy.port)
    const from = performance.now()
    socket.write('first ')
    await expect.poll(() => server.heard).toEqual(['first '])
    proxy.delay('toClient', 0)
    socket.write('second')
    await expect.poll(text).toBe('FIRST SECOND')
    expect(performance.now() - from).toBeGreaterThanOrEqual(199)
  })

  it('stalls one direction until it flows again', async () => {
    const { socket, text } = await dial(proxy.port)
    proxy.stall('toClient')
    socket.write('hello')
    await expect.poll(() => server.heard).toEqual(['hello'])
    expect(text()).toBe('')
    proxy.stall('toServer')
    socket.write('again')
    proxy.flow('toClient')
    await expect.poll(text).toBe('HELLO')
    expect(server.heard).toEqual(['hello'])
    proxy.flow('toServer')
    await expect.poll(text).toBe('HELLOAGAIN')
  })

  it('tells neither side of a stalled connection that the other has gone', async () => {
    const { socket } = await dial(proxy.port)
    socket.write('hello')
    await expect.poll(() => server.heard).toEqual(['hello'])
    proxy.stall('toServer')
    socket.destroy()
    await once(socket, 'close')
    await new Promise(setImmediate)
    expect(server.sockets.size).toBe(1)
    proxy.flow('toServer')
    await expect.poll(() => server.sockets.size).toBe(0)
  })

  it('cuts what is open, also what is stalled, and takes new connections', async () => {
    proxy.stall('toClient')
    const { socket, failure, text } = await dial(proxy.port)
    socket.write('hello')
    await expect.poll(() => server.heard).toEqual(['hello'])
    proxy.cut()
    await expect.poll(failure).toBe('ECONNRESET')
    await expect.poll(() => server.sockets.size).toBe(0)
    expect(text()).toBe('')
    proxy.flow('toClient')
    const next = await dial(proxy.port)
    next.socket.write('hello')
    await expect.poll(next.text).toBe('HELLO')
  })

  it('loses the answer to one request, which the server has got, and no other', async () => {
    const [other, one] = [await dial(proxy.port), await dial(proxy.port)]
    const lost = proxy.loseAnswer(
      (sent) => sent.includes('save'),
      (held) => held.includes('!'),
    )
    other.socket.write('hello!')
    await expect.poll(other.text).toBe('HELLO!')
    one.socket.write('save ')
    await expect.poll(() => server.heard).toContain('save ')
    one.socket.write('it!')
    expect(String(await lost)).toBe('SAVE IT!')
    await expect.poll(one.failure).toBe('ECONNRESET')
    expect(one.text()).toBe('')
    other.socket.write('save!')
    await expect.poll(other.text).toBe('HELLO!SAVE!')
  })
})
