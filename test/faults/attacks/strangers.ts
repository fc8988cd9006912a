import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { type Attack, overEachWay, type Target } from '../attack.ts'
import { isFull, rounds } from '../rounds.ts'

const SOCKETS = rounds(300, 40)
/** Each of them again, so that what one leaves behind would add up. */
const WAVES = rounds(20, 2)
const FRAGMENTS = rounds(16_000, 2_000)
const LISTENS_MS = isFull ? 2_000 : 300

const OBJECTS = `[${'{},'.repeat(349_000)}{}]`
const wrong = 'Bearer wm_0000000000000_0000000000000000000000000000000000000000000'

async function open({ url }: Target): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'open'), once(socket, 'close')])
  return socket
}

/** Each socket sends what it wants, and closes when nobody stops it. */
async function wave(target: Target, send: (socket: WebSocket) => void): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => open(target)))
  for (const socket of sockets) send(socket)
  await delay(LISTENS_MS)
  for (const socket of sockets) socket.terminate()
}

const messages: readonly ((socket: WebSocket) => void)[] = [
  (socket) => {
    socket.send(`{"type":"connection_init","payload":{"authorization":"${wrong}","objects":${OBJECTS}}}`)
  },
  (socket) => {
    for (let sent = 0; sent < FRAGMENTS; sent += 1) socket.send('x', { fin: false })
  },
  (socket) => {
    for (let sent = 0; sent < FRAGMENTS; sent += 1) socket.ping('x'.repeat(100))
  },
  (socket) => {
    socket.send('{"type":"connection_ack"}')
    socket.send(`{"type":"ping","payload":{"objects":${OBJECTS}}}`)
  },
]

const { HTTP, SSE } = overEachWay(async (ask, target) => {
  const body = { objects: JSON.parse(OBJECTS) as unknown }
  for (let n = 0; n < WAVES; n += 1) {
    const asking = Array.from({ length: 5 }, () =>
      ask(target.url, '{ viewer { subject } }', {}, { authorization: wrong, body }),
    )
    for (const { status } of await Promise.all(asking)) expect(status).toBe(401)
  }
})

export const attack: Attack = {
  title: 'megabytes, one-byte fragments, pings and nonsense of somebody without credentials',
  ways: {
    HTTP,
    SSE,
    async WebSocket(target) {
      for (let n = 0; n < WAVES; n += 1) for (const send of messages) await wave(target, send)
    },
  },
}
