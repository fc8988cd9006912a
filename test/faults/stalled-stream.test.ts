import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { ExecutionResult } from 'graphql'
import { expect, it } from 'vitest'
import { noteCursor } from '../../src/operations/streams/event-cursor.ts'
import { sendEventStream } from '../../src/sse/event-stream.ts'
import { slowClientResult } from '../../src/operations/streams/slow-client.ts'

const patience = { timeout: 20_000 }

/** An event stream of long events without end, to a client that reads nothing until it is told to. */
async function stalled({ farewellMs }: { readonly farewellMs: number }) {
  const state = { returned: false, events: 0 }
  const flood: AsyncIterableIterator<ExecutionResult> = {
    [Symbol.asyncIterator]: () => flood,
    next: () => {
      if (state.returned) return Promise.resolve({ done: true, value: undefined })
      const value = { data: { text: 'x'.repeat(1_000_000) } }
      return Promise.resolve({ done: false, value: noteCursor(value, { cursor: `cursor-${(state.events += 1)}` }) })
    },
    return: () => {
      state.returned = true
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  const gone = new AbortController()
  response.once('close', () => {
    gone.abort()
  })
  await sendEventStream(response, flood, {
    ...{ gone: gone.signal, presentError: () => ({ data: null }), presentSlow: slowClientResult },
    ...{ stallLimitMs: 100, farewellMs },
  })
  return {
    state,
    response,
    socket,
    async [Symbol.asyncDispose]() {
      socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

it('an event stream whose reader takes nothing is returned, and told why, with its last cursor, once it reads again', async () => {
  await using reader = await stalled({ farewellMs: 60_000 })
  expect(reader.state.returned).toBe(true)
  expect(reader.response.destroyed).toBe(false)
  let text = ''
  reader.socket.on('data', (chunk) => (text += chunk.toString()))
  const ended = once(reader.socket, 'end')
  reader.socket.resume()
  // The connection too, though HTTP would keep it.
  await ended
  const cursor = `cursor-${reader.state.events}`
  const events = text.split('event: next\ndata: ').slice(1)
  expect(events).toHaveLength(reader.state.events + 1)
  expect(JSON.parse(events.at(-1)?.split('\n')[0] ?? '')).toEqual({
    errors: [
      {
        message: `Nothing was read from this stream for too long: subscribe again, after ${cursor}.`,
        extensions: { code: 'SLOW_CLIENT', cursor },
      },
    ],
  })
  expect(text).toMatch(/event: complete\ndata:\n\n\r\n0\r\n\r\n$/)
})

it('where it takes nothing of that either, its connection is cut', async () => {
  await using reader = await stalled({ farewellMs: 100 })
  expect(reader.state.returned).toBe(true)
  await expect.poll(() => reader.response.destroyed, patience).toBe(true)
})
