import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'vitest'
import type { Attack, Target } from '../attack.ts'
import { rounds } from '../rounds.ts'

const BODIES = rounds(200, 4)
const AT_ONCE = 4
const PIECES = rounds(1_000_000, 300_000)

/** Kept one by one, each would take 200 bytes of the heap: three bodies of 1 MiB would end the server. */
const body = '1\r\n \r\n'.repeat(PIECES)

async function sendBody({ port, insider }: Target, accept: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: ${insider}\r\n` +
      `accept: ${accept}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
  )
  socket.write(body)
  let answer = ''
  // By events: the server closes before it has read everything, which resets the connection.
  socket.on('data', (data) => (answer += String(data)))
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}

async function strike(target: Target, accept: string): Promise<void> {
  for (let sent = 0; sent < BODIES; sent += AT_ONCE) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => sendBody(target, accept)))
    // Too many pieces, or too much just now. A reset may have come before the answer was read.
    for (const answer of answers) expect(answer).toMatch(/^$|^HTTP\/1\.1 (400|503) /)
  }
}

export const attack: Attack = {
  title: `bodies in ${PIECES} pieces of one byte`,
  ways: {
    HTTP: (target) => strike(target, 'application/json'),
    SSE: (target) => strike(target, 'text/event-stream'),
    // Over a WebSocket strangers.ts has them: a message has at most 256 fragments.
  },
}
