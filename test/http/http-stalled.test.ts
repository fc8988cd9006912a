import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, it } from 'vitest'
import { sendFetchResponse } from '../../src/http/send.ts'

it('an event stream whose reader takes nothing for as long as may be is cut and cancelled', async () => {
  let cancelled = false
  const body = new ReadableStream({
    pull: (controller) => {
      controller.enqueue(Buffer.alloc(1_000_000))
    },
    cancel: () => {
      cancelled = true
    },
  })
  const fetched = new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  await sendFetchResponse(response, fetched, { stallLimitMs: 200 })
  expect(response.destroyed).toBe(true)
  await expect.poll(() => cancelled).toBe(true)
  socket.destroy()
  server.close()
  await once(server, 'close')
})
