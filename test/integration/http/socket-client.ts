import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { WebSocket, type ClientOptions } from 'ws'
import { until } from './http-support.ts'

export interface SocketMessage {
  readonly type: string
  readonly id?: string
  readonly payload?: any
}

/** A socket as bare as it gets: what the server says is noted word for word, and what is sent is any text. */
export interface RawSocket {
  readonly socket: WebSocket
  readonly messages: readonly SocketMessage[]
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  send(message: SocketMessage | string): void
  subscribe(id: string, query: string, payload?: Record<string, unknown>): void
  /** The messages for an operation so far; waits until there is one of the type. */
  told(id: string, type: string): Promise<readonly SocketMessage[]>
}

/** Opens a socket; `init` also waits for the server to acknowledge it. */
export async function openSocket(
  server: { readonly url: string },
  {
    protocol = 'graphql-transport-ws',
    init = true,
    ...options
  }: ClientOptions & { protocol?: string; init?: boolean } = {},
): Promise<RawSocket> {
  const socket = new WebSocket(addressOf(server), protocol === '' ? [] : protocol, options)
  const messages: SocketMessage[] = []
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as SocketMessage))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => {
      resolve({ code, reason: reason.toString() })
    })
  })
  await once(socket, 'open')
  const send = (message: SocketMessage | string) => {
    socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }
  if (init) {
    send({ type: 'connection_init' })
    await until(() => {
      if (messages[0]?.type !== 'connection_ack') throw new Error('not acknowledged')
    })
  }
  return {
    socket,
    messages,
    closed,
    send,
    subscribe(id, query, payload = {}) {
      send({ type: 'subscribe', id, payload: { query, ...payload } })
    },
    async told(id, type) {
      const about = () => messages.filter((message) => message.id === id)
      await until(() => {
        if (!about().some((message) => message.type === type))
          throw new Error(`no ${type}: ${JSON.stringify(messages)}`)
      })
      return about()
    },
  }
}

export function addressOf({ url }: { readonly url: string }): string {
  return url.replace(/^http/, 'ws')
}

/** Asks for a WebSocket that isn't given, and reads the answer. */
export async function refusedUpgrade(url: string, options: ClientOptions = {}) {
  const socket = new WebSocket(url, 'graphql-transport-ws', options)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return { status: response.statusCode, headers: response.headers, text }
}
