import { describe, expect, it } from 'vitest'
import { rawRequest, schemaOf, serve, until } from './http-support.ts'
import { openSocket, refusedUpgrade } from './socket-client.ts'

const schema = schemaOf('type Query { a: Int }', { 'Query.a': () => 1 })
const dashboard = 'https://dashboard.example.org'
const strangers = ['https://evil.example.org', 'http://dashboard.example.org', `${dashboard}.evil.example.org`, 'null']
const body = JSON.stringify({ query: '{ a }' })
const json = { 'content-type': 'application/json' }
/** As an answer, and as an event stream. */
const accepts = ['application/json', 'text/event-stream']
const clientHeaders = [
  ...['authorization', 'content-type', 'traceparent', 'tracestate', 'x-request-id'],
  ...['apollographql-client-name', 'apollographql-client-version'],
]
const preflight = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': clientHeaders.join(','),
}

function corsHeaders(headers: object): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'))
}

describe('without ALLOWED_ORIGINS', () => {
  it('no page of another site may read an answer, nor ask whether it may', async () => {
    const server = await serve(schema)
    for (const origin of [dashboard, ...strangers]) {
      for (const accept of accepts) {
        const headers = { ...json, accept, origin }
        const answer = await rawRequest(server, '/graphql', { method: 'POST', headers }, body)
        expect([answer.status, corsHeaders(answer.headers)]).toEqual([200, []])
      }
      const asked = await rawRequest(server, '/graphql', { method: 'OPTIONS', headers: { ...preflight, origin } })
      expect([asked.status, corsHeaders(asked.headers)]).toEqual([405, []])
    }
  })

  it('a preflight is told to set ALLOWED_ORIGINS, and the log has its method and reason', async () => {
    const server = await serve(schema)
    for (const origin of [dashboard, 'null', undefined]) {
      const headers = { ...preflight, ...(origin !== undefined && { origin }) }
      const asked = await rawRequest(server, '/graphql', { method: 'OPTIONS', headers })
      expect(JSON.parse(asked.text)).toMatchObject({
        errors: [{ message: expect.stringContaining('ALLOWED_ORIGINS') }],
      })
    }
    await until(() => expect(server.log).toHaveLength(3))
    const line = { method: 'OPTIONS', path: '/graphql', status: 405, outcome: 'BAD_USER_INPUT' }
    const reason = expect.stringContaining('ALLOWED_ORIGINS must name it') as string
    expect(server.log).toMatchObject([line, line, line].map((each) => ({ ...each, reason })))
  })
})

describe('with ALLOWED_ORIGINS', () => {
  const options = { allowedOrigins: [dashboard] }

  it('a page of the site may send operations and read answers, refusals too, without the browser’s credentials', async () => {
    const server = await serve(schema, options)
    const asked = await rawRequest(server, '/graphql', {
      method: 'OPTIONS',
      headers: { ...preflight, origin: dashboard },
    })
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': dashboard,
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': clientHeaders.join(', '),
      vary: 'origin',
    })
    for (const accept of accepts) {
      for (const [text, status] of [[body, 200] as const, ['nonsense', 400] as const]) {
        const headers = { ...json, accept, origin: dashboard }
        const answer = await rawRequest(server, '/graphql', { method: 'POST', headers }, text)
        expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([status, dashboard])
        expect(answer.headers['access-control-expose-headers']).toBe('x-request-id, retry-after, etag')
        expect(answer.headers).not.toHaveProperty('access-control-allow-credentials')
      }
    }
  })

  it('such a page may also send what ALLOWED_HEADERS names; what else it wants to send is in the log', async () => {
    const server = await serve(schema, { ...options, allowedHeaders: ['x-tenant', 'baggage'] })
    const ask = (asked: object) =>
      rawRequest(server, '/graphql', { method: 'OPTIONS', headers: { ...preflight, origin: dashboard, ...asked } })
    const names = [...clientHeaders, 'x-tenant', 'baggage']
    const all = await ask({ 'access-control-request-headers': names.join(',').toUpperCase() })
    expect([all.status, all.headers['access-control-allow-headers']]).toEqual([204, names.join(', ')])
    await ask({ 'access-control-request-headers': 'x-tenant, x-odd"{}' })
    await ask({ 'access-control-request-method': 'PUT' })
    await until(() => expect(server.log).toHaveLength(3))
    expect(server.log.map(({ method, status, reason }) => ({ method, status, reason }))).toEqual([
      { method: 'OPTIONS', status: 204, reason: undefined },
      { method: 'OPTIONS', status: 204, reason: 'ALLOWED_HEADERS does not name x-odd???' },
      { method: 'OPTIONS', status: 204, reason: 'pages may send GET, HEAD, POST only' },
    ])
  })

  it('a page of any other site may not', async () => {
    const server = await serve(schema, options)
    for (const origin of strangers) {
      for (const accept of accepts) {
        const headers = { ...json, accept, origin }
        const answer = await rawRequest(server, '/graphql', { method: 'POST', headers }, body)
        // A cache must not hand this to the dashboard.
        expect([answer.headers.vary, corsHeaders(answer.headers)]).toEqual(['origin', []])
      }
      const asked = await rawRequest(server, '/graphql', { method: 'OPTIONS', headers: { ...preflight, origin } })
      expect([asked.status, corsHeaders(asked.headers)]).toEqual([405, []])
    }
  })

  it('a WebSocket is opened for the site’s pages, the server’s own and programs, and no others', async () => {
    const server = await serve(schema, options)
    const own = new URL(server.url).origin
    for (const origin of [dashboard, own, undefined]) {
      const socket = await openSocket(server, origin === undefined ? {} : { origin })
      socket.subscribe('1', '{ a }')
      expect((await socket.told('1', 'next')).at(0)?.payload).toEqual({ data: { a: 1 } })
      socket.socket.terminate()
    }
    for (const origin of strangers) {
      expect(await refusedUpgrade(server.url.replace('http', 'ws'), { origin })).toMatchObject({ status: 403 })
    }
  })
})
