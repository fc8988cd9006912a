import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Attack, Target } from '../attack.ts'
import { rounds } from '../rounds.ts'

const CONNECTIONS = rounds(5_000, 90)
const AT_ONCE = 30
const LISTENS_MS = 100

const HOST = 'host: localhost\r\n'
const upgrade = (protocol: string) => `connection: Upgrade\r\nupgrade: ${protocol}\r\n`
const SOCKET = `${upgrade('websocket')}sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n`
const post = (authorization: string, query: string, more = '') => {
  const body = JSON.stringify({ query })
  return `POST /graphql HTTP/1.1\r\n${HOST}authorization: ${authorization}\r\ncontent-type: application/json\r\n${more}content-length: ${body.length}\r\n\r\n${body}`
}

/** What a connection can carry, by kind of transport. */
const ordinary = ({ insider }: Target): readonly string[] => [
  `GET /ready HTTP/1.1\r\n${HOST}\r\n`,
  `HEAD /health HTTP/1.1\r\n${HOST}\r\n`,
  `GET /nothing HTTP/1.1\r\n${HOST}\r\n`,
  `GET /ready HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`,
  `GET /ready HTTP/1.0\r\n\r\n`,
  post(insider, '{ sessionStats { total } }'),
  post(insider, '{ nonsense'),
  post('Bearer nobody', '{ sessionStats { total } }'),
  post(insider, '{ sessionStats { total } }', 'expect: 100-continue\r\n'),
  post(insider, '{ sessionStats { total } }', 'expect: something\r\n'),
  `POST /graphql HTTP/1.1\r\n${HOST}content-type: application/json\r\ncontent-length: 400\r\n\r\n{`,
  `POST /graphql HTTP/1.1\r\n${HOST}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"que\r\nzz\r\n`,
]
const upgrades = ({ insider }: Target): readonly string[] => [
  `GET /graphql HTTP/1.1\r\n${HOST}${SOCKET}\r\n`,
  `GET /nowhere HTTP/1.1\r\n${HOST}${SOCKET}\r\n`,
  `GET /graphql HTTP/1.1\r\n${HOST}origin: https://elsewhere.example\r\n${SOCKET}\r\n`,
  `POST /graphql HTTP/1.1\r\n${HOST}${SOCKET}content-length: 3\r\n\r\nabc`,
  `GET /graphql HTTP/1.1\r\n${HOST}${upgrade('websocket')}\r\n`,
  `GET /ready HTTP/1.1\r\n${HOST}${upgrade('foo')}\r\n`,
  `GET /ready HTTP/1.1\r\n${HOST}${upgrade('h2c')}http2-settings: AAMAAABk\r\n\r\n`,
  post(insider, '{ sessionStats { total } }', upgrade('foo')),
  `CONNECT elsewhere:1 HTTP/1.1\r\n${HOST}\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\r\n\r\nno request at all\r\n\r\n',
]
const stream = ({ insider }: Target): string =>
  post(insider, 'subscription { sessionStatusChanged { cursor } }', 'accept: text/event-stream\r\n')

const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(Math.random() * items.length)] as Item

/** Sends up to six pieces in one packet or two, and leaves in one of three ways. */
async function strikeOnce({ port }: Target, pieces: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  // Not by once(), which fails where the server resets the connection.
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })
  await once(socket, 'connect')
  const text = pieces.join('')
  const cut = Math.random() < 0.5 ? text.length : Math.floor(Math.random() * text.length)
  socket.resume()
  socket.write(text.slice(0, cut))
  if (cut < text.length) {
    await delay(5)
    socket.write(text.slice(cut))
  }
  const leave = pick(['end', 'reset', 'listen'] as const)
  if (leave === 'end') socket.end()
  if (leave !== 'reset') await Promise.race([closed, delay(LISTENS_MS)])
  socket.resetAndDestroy()
  await closed
}

async function strike(target: Target, begins: readonly string[]): Promise<void> {
  const pieces = [...ordinary(target), ...upgrades(target)]
  for (let struck = 0; struck < CONNECTIONS; struck += AT_ONCE) {
    const strikes = Array.from({ length: AT_ONCE }, () => {
      const rest = Array.from({ length: Math.floor(Math.random() * 5) }, () => pick(pieces))
      return strikeOnce(target, [pick(begins), pick(upgrades(target)), ...rest])
    })
    await Promise.all(strikes)
  }
  const answer = await fetch(new URL('/health', target.url))
  expect(answer.status).toBe(200)
}

export const attack: Attack = {
  title: 'upgrades, refused, accepted and unheard of, pipelined behind answers that are not out yet',
  ways: {
    HTTP: (target) => strike(target, ordinary(target)),
    SSE: (target) => strike(target, [stream(target)]),
    WebSocket: (target) => strike(target, upgrades(target)),
  },
}
