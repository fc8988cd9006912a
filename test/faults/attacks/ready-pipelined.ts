import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Attack, Target } from '../attack.ts'
import { rounds } from '../rounds.ts'

const REQUESTS = rounds(60_000, 3_000)
const LISTENS_MS = rounds(20_000, 1_000)

/** Sends requests in one packet after the other, without waiting for answers, and reads what comes. */
async function pipeline({ port }: Target, path: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  // Not by once(), which fails where the server resets the connection.
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })
  socket.resume()
  const request = `GET ${path} HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`
  socket.write(request.repeat(REQUESTS))
  await Promise.race([closed, delay(LISTENS_MS, undefined, { ref: false })])
  socket.destroy()
  await closed
}

export const attack: Attack = {
  title: 'thousands of pipelined GET /ready by somebody without credentials',
  ways: { HTTP: (target) => pipeline(target, '/ready') },
}
