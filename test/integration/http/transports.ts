import { expect, vi } from 'vitest'
import { openSocket } from './socket-client.ts'

/** What came of an operation, whichever way it went. */
export interface Told {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly { message: string; extensions: Record<string, unknown> }[]
  /** Of HTTP. */
  readonly status?: number
  readonly retryAfter?: string | null
}

/** @param more members of the request beside query and variables; a query of undefined is left out */
export type Ask = (
  url: string,
  query: string | undefined,
  variables?: Record<string, unknown>,
  more?: { readonly authorization?: string; readonly body?: Record<string, unknown> },
) => Promise<Told>

const overHttp =
  (accept: string, read: (text: string) => string): Ask =>
  async (url, query, variables, { authorization, body } = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...(authorization && { authorization }) },
      body: JSON.stringify({ query, variables, ...body }),
    })
    const told = JSON.parse(read(await response.text())) as Told
    return { ...told, status: response.status, retryAfter: response.headers.get('retry-after') }
  }

/** The three ways to ask, by name. */
export const transports: Readonly<Record<'HTTP' | 'SSE' | 'WebSocket', Ask>> = {
  HTTP: overHttp('application/json', (text) => text),
  SSE: overHttp('text/event-stream', (text) => /^data: (\{.*\})$/m.exec(text)?.[1] ?? text),
  WebSocket: async (url, query, variables, { authorization, body } = {}) => {
    const headers = authorization === undefined ? {} : { headers: { authorization } }
    const socket = await openSocket({ url }, headers)
    socket.send({ type: 'subscribe', id: '1', payload: { query, variables, ...body } })
    try {
      await vi.waitFor(() => expect(socket.messages.length).toBeGreaterThan(1), { timeout: 10_000 })
      const { type, payload } = socket.messages[1] ?? {}
      return type === 'error' ? { errors: payload as Told['errors'] & {} } : (payload as Told)
    } finally {
      socket.socket.terminate()
    }
  },
}
