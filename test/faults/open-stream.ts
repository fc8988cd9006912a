import { once } from 'node:events'
import { WebSocket } from 'ws'

/** A subscription that is open, as its client sees it. */
export interface OpenStream {
  /** All that came so far, word for word. */
  readonly told: string
  /** Resolves when it is over, whoever ended it. */
  readonly over: Promise<void>
  /** Resolves once nothing of it is left here. */
  close(): Promise<void>
}

export interface Subscription {
  readonly url: string
  readonly authorization: string
  readonly query: string
  readonly variables?: Record<string, unknown>
  /** Query and variables as JSON that is sent as it is, where making it each time would hold up the crawler beside. */
  readonly json?: string
}

/** Each resolves once the server has opened the stream or refused it. */
export const openStream: Readonly<Record<'SSE' | 'WebSocket', (of: Subscription) => Promise<OpenStream>>> = {
  async SSE({ url, authorization, query, variables, json = JSON.stringify({ query, variables }) }) {
    const leaving = new AbortController()
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization },
      body: json,
      signal: leaving.signal,
    })
    let told = ''
    const read = async () => {
      const decoder = new TextDecoder()
      for await (const chunk of response.body ?? []) told += decoder.decode(chunk, { stream: true })
    }
    // An abort, or a connection that was cut: over as well.
    const over = read().catch(() => undefined)
    return {
      get told() {
        return told
      },
      over,
      async close() {
        leaving.abort()
        await over
      },
    }
  },

  async WebSocket({ url, authorization, query, variables, json = JSON.stringify({ query, variables }) }) {
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws', { headers: { authorization } })
    const messages: string[] = []
    const send = (message: object) => {
      socket.send(JSON.stringify(message))
    }
    const closed = once(socket, 'close').then(([code]: unknown[]) => messages.push(`closed with ${String(code)}`))
    let finish: () => void = () => undefined
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const begun = new Promise<void>((resolve) => {
      socket.on('open', () => {
        send({ type: 'connection_init' })
      })
      socket.on('message', (data: Buffer) => {
        const text = String(data)
        messages.push(text)
        const { type } = JSON.parse(text) as { type: string }
        if (type === 'connection_ack') {
          socket.send(`{"type":"subscribe","id":"1","payload":${json}}`)
          // Answered behind the subscription, which says nothing of its own before its first event.
          send({ type: 'ping' })
        }
        if (type === 'pong') resolve()
        if (type === 'complete' || type === 'error') finish()
      })
    })
    const over = Promise.race([closed.then(() => undefined), finished])
    await Promise.race([begun, over])
    return {
      get told() {
        return messages.join('\n')
      },
      over,
      async close() {
        socket.terminate()
        await closed
      },
    }
  },
}
