import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Writable } from 'node:stream'
import { buildSchema, type GraphQLObjectType, type GraphQLSchema } from 'graphql'
import { Repeater } from 'graphql-yoga'
import pino from 'pino'
import { afterEach, expect, vi } from 'vitest'
import { PAGE_SIZES } from '../../../src/graphql/paging.ts'
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/http/server.ts'

export type LogLine = Record<string, unknown> & { level: number; msg: string }

export interface Served extends HttpServer {
  readonly log: readonly LogLine[]
  /** The log as text, to search for what must not be in it. */
  readonly logText: () => string
}

const open = new Set<HttpServer>()

afterEach(async () => {
  await Promise.all([...open].map((server) => server.close({ drainTimeoutMs: 0 })))
  open.clear()
})

/** A server on a free port, closed after the test at the latest. */
export async function serve(schema: GraphQLSchema, options: Partial<HttpServerOptions<object>> = {}): Promise<Served> {
  const log: LogLine[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as LogLine)
      done()
    },
  })
  const server = await startHttpServer<object>({
    host: '127.0.0.1',
    port: 0,
    schema,
    pageSizes: PAGE_SIZES,
    log: pino({ level: 'debug' }, sink),
    debug: false,
    createContext: () => ({}),
    isReady: () => Promise.resolve({ ready: true }),
    ...options,
  })
  open.add(server)
  return { ...server, log, logText: () => JSON.stringify(log) }
}

type Resolver = (source: unknown, args: Record<string, unknown>, context: unknown) => unknown

/** A schema from its SDL, with resolvers by "Type.field"; a subscription's resolver is its `subscribe`. */
export function schemaOf(sdl: string, resolvers: Record<string, Resolver>): GraphQLSchema {
  const schema = buildSchema(sdl)
  for (const [name, resolver] of Object.entries(resolvers)) {
    const [type = '', field = ''] = name.split('.')
    const definition = (schema.getType(type) as GraphQLObjectType).getFields()[field]
    if (definition === undefined) throw new Error(`no field ${name} in the schema`)
    if (type === 'Subscription') definition.subscribe = resolver
    else definition.resolve = resolver
  }
  return schema
}

/** A subscription that hands out 100 kB events as fast as they are taken. */
export function floodSource() {
  let pushed = 0
  let returned = 0
  const schema = schemaOf('type Query { a: Int } type Subscription { flood: String }', {
    'Subscription.flood': () =>
      new Repeater<unknown>(async (push, stop) => {
        const ended = stop.then(() => (returned += 1))
        for (; returned === 0; pushed += 1) await push({ flood: 'x'.repeat(100_000) })
        await ended
      }),
  })
  return {
    schema,
    returned: () => returned,
    /** Resolves once nothing was taken for five looks in a row: the buffers between the two ends are full. */
    async stall(): Promise<void> {
      let [before, looks] = [0, 0]
      await until(() => {
        looks = pushed > 0 && pushed === before ? looks + 1 : 0
        before = pushed
        expect(looks).toBe(5)
      })
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly data: Record<string, unknown> | null | undefined
  readonly errors: readonly { message: string; path?: unknown; extensions: Record<string, unknown> }[] | undefined
  readonly text: string
}

/** Posts an operation as a client library would. */
export async function post(
  server: HttpServer,
  body: { query: string; variables?: object; operationName?: string },
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(server, { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })
}

/** Sends any POST. */
export async function send(
  server: HttpServer,
  init: { body: string | FormData | URLSearchParams; headers?: Record<string, string> },
): Promise<Answer> {
  const response = await fetch(server.url, { method: 'POST', ...init })
  const text = await response.text()
  const { data, errors } = JSON.parse(text) as Pick<Answer, 'data' | 'errors'>
  return { status: response.status, headers: response.headers, data, errors, text }
}

/** Opens a subscription; `cancel` drops the connection as a closed browser tab would. */
export async function subscribe(server: HttpServer, query: string, leave = new AbortController()) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query }),
    signal: leave.signal,
  })
  if (response.body === null) throw new Error('no event stream')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    text: () => text,
    /** Reads until the stream's text has `part`. */
    async readUntil(part: string): Promise<string> {
      while (!text.includes(part)) {
        const { done, value } = await reader.read()
        if (done) throw new Error(`the stream ended without ${JSON.stringify(part)}: ${text}`)
        text += value
      }
      return text
    },
    async readToEnd(): Promise<string> {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return text
        text += value
      }
    },
    cancel() {
      leave.abort()
      reader.closed.catch(() => undefined)
    },
  }
}

/** A request by node:http, which hides nothing: any header, any method. */
export async function rawRequest(server: HttpServer, path: string, options: RequestOptions = {}, body?: string) {
  const request = httpRequest({ host: '127.0.0.1', port: server.port, path, agent: false, ...options })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return { status: response.statusCode, headers: response.headers, text }
}

export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 10 })
}
