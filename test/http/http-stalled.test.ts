import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, it } from 'vitest'
import { sendEventStream } from '../../src/http/event-stream.ts'

it('an event stream whose reader takes nothing for as long as may be is cut, and its source returned', async () => {
  let returned = false
  const flood: AsyncIterableIterator<{ data: { text: string } }> = {
    [Symbol.asyncIterator]: () => flood,
    next: () => Promise.resolve({ done: false, value: { data: { text: 'x'.repeat(1_000_000) } } }),
    return: () => {
      returned = true
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  const gone = new AbortController()
  response.once('close', () => {
    gone.abort()
  })
  await sendEventStream(response, flood, { gone: gone.signal, presentError: () => ({ data: null }), stallLimitMs: 200 })
  expect(response.destroyed).toBe(true)
  await expect.poll(() => returned).toBe(true)
  socket.destroy()
  server.close()
  await once(server, 'close')
})
