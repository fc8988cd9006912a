import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { bodyLimitBytes } from '../../../src/http/requests/read-body.ts'
import { askTogether } from '../../support/together.ts'
import { post, rawRequest, schemaOf, send, serve } from './http-support.ts'
import { openSocket } from './socket-client.ts'

let saved: string[] = []
beforeEach(() => {
  saved = []
})

const schema = () =>
  schemaOf(
    `type Query { hello(name: String! = "you"): String! length(text: String!): Int! }
     type Mutation { save(text: String!, count: Int): Boolean! }
     type Subscription { ticks: Int! }`,
    {
      'Query.hello': (_, { name }) => `hello ${String(name)}`,
      'Query.length': (_, { text }) => String(text).length,
      'Mutation.save': (_, { text }) => saved.push(String(text)) > 0,
      'Subscription.ticks': () => {
        saved.push('a source was opened')
        throw new Error('unreachable')
      },
    },
  )
const graphqlResponse = { accept: 'application/graphql-response+json' }
const saveSomething = 'mutation { save(text: "x") }'

describe('an operation by POST', () => {
  it('is answered with data as plain JSON where the client has no preference', async () => {
    const answer = await post(await serve(schema()), { query: '{ hello }' })
    expect(answer).toMatchObject({ status: 200, data: { hello: 'hello you' } })
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(answer.errors).toBeUndefined()
  })

  it('is answered as application/graphql-response+json where the client prefers it', async () => {
    const answer = await post(await serve(schema()), { query: '{ hello }' }, graphqlResponse)
    expect(answer.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8')
  })

  it('runs a mutation with variables, and the operation that operationName chooses', async () => {
    const answer = await post(await serve(schema()), {
      query: 'query Read { hello } mutation Write($text: String!) { save(text: $text) }',
      variables: { text: 'ünïcode \u{1f516}' },
      operationName: 'Write',
    })
    expect(answer.data).toEqual({ save: true })
    expect(saved).toEqual(['ünïcode \u{1f516}'])
  })

  it('is answered in its turn where a client sends twenty at once over one connection, and Node warns of nothing', async () => {
    const echo = async (_: unknown, { text }: Record<string, unknown>) => {
      await nextTurn()
      return String(text)
    }
    const { url } = await serve(schemaOf('type Query { echo(text: String!): String! }', { 'Query.echo': echo }))
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    try {
      const texts = Array.from({ length: 20 }, (_, n) => `number ${n}`)
      const query = 'query ($text: String!) { echo(text: $text) }'
      const answers = await askTogether(
        url,
        texts.map((text) => ({ query, variables: { text } })),
      )
      expect(answers).toEqual(texts.map((text) => ({ data: { echo: text } })))
      await nextTurn()
    } finally {
      process.off('warning', note)
    }
    expect(warnings).toEqual([])
  })

  it.each([
    ['a syntax error', { query: '{ hello' }],
    ['an unknown field', { query: '{ nothing }' }],
    ['a literal of a wrong type', { query: 'mutation { save(text: 12) }' }],
    ['a variable of a wrong type', { query: 'mutation($t: String!) { save(text: $t) }', variables: { t: 12 } }],
    ['a missing variable', { query: 'mutation($t: String!) { save(text: $t) }' }],
    ['an unknown operation name', { query: 'query A { hello } query B { hello }', operationName: 'C' }],
    ['an operation name that is needed and missing', { query: 'query A { hello } query B { hello }' }],
    ['no query', { query: '' }],
  ])('answers %s with BAD_USER_INPUT, 400 where the media type allows it, and runs nothing', async (_, body) => {
    const server = await serve(schema())
    const answer = await post(server, body, graphqlResponse)
    expect(answer.status).toBe(400)
    expect(answer.errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT' }])
    expect(answer.data).toBeUndefined()
    expect(saved).toEqual([])
  })

  it('answers null for an argument with a default, found while executing, with BAD_USER_INPUT', async () => {
    const query = 'query($name: String = "a") { hello(name: $name) }'
    const answer = await post(await serve(schema()), { query, variables: { name: null } })
    expect(answer.errors).toMatchObject([{ path: ['hello'], extensions: { code: 'BAD_USER_INPUT' } }])
  })
})

describe.each([
  ['plain JSON', 'application/json'],
  ['an event stream', 'text/event-stream'],
])('a request for %s that is refused before GraphQL sees it', (_, accept) => {
  it('a form, a multipart form, plain text and no type at all: what a foreign page can send', async () => {
    const server = await serve(schema())
    const multipart = new FormData()
    multipart.set('operations', JSON.stringify({ query: saveSomething }))
    multipart.set('map', '{}')
    const text = JSON.stringify({ query: saveSomething })
    const answers = [
      await send(server, { body: new URLSearchParams({ query: saveSomething }), headers: { accept } }),
      await send(server, { body: multipart, headers: { accept } }),
      await send(server, { body: text, headers: { accept, 'content-type': 'text/plain' } }),
      await send(server, { body: text, headers: { accept, 'content-type': 'text/plain; application/json' } }),
      await send(server, { body: saveSomething, headers: { accept, 'content-type': 'application/graphql' } }),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(415)
      expect(answer.errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT' }])
      expect(answer.text).toContain('application/json')
    }
    const untyped = await rawRequest(server, '/graphql', { method: 'POST', headers: { accept } }, text)
    expect(untyped.status).toBe(415)
    expect(saved).toEqual([])
  })

  it('a method that GraphQL over HTTP does not have', async () => {
    const server = await serve(schema())
    const headers = { accept, 'content-type': 'application/json' }
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']) {
      const body = JSON.stringify({ query: saveSomething })
      const answer = await rawRequest(server, '/graphql?query={hello}', { method, headers }, body)
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, 'GET, HEAD, POST'])
    }
    expect(saved).toEqual([])
  })

  it('a preflight: no origin is allowed, and none is reflected in an answer', async () => {
    const server = await serve(schema())
    const headers = { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' }
    const preflight = await rawRequest(server, '/graphql', { method: 'OPTIONS', headers })
    expect(preflight.status).toBe(405)
    const answer = await post(
      server,
      { query: '{ hello }' },
      { accept: `application/json, ${accept};q=0.9`, origin: 'https://elsewhere.example' },
    )
    const names = [...Object.keys(preflight.headers), ...answer.headers.keys()]
    expect(names.filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  it('a body that is no JSON object', async () => {
    const server = await serve(schema())
    const headers = { accept, 'content-type': 'application/json' }
    for (const body of ['{"query": "{ hello }"', 'null', '"text"', '[{"query": "{ hello }"}]', '']) {
      const answer = await send(server, { body, headers })
      expect([answer.status, answer.errors?.[0]?.extensions]).toEqual([400, { code: 'BAD_USER_INPUT' }])
    }
    const compressed = await send(server, { body: '{}', headers: { ...headers, 'content-encoding': 'gzip' } })
    expect(compressed.status).toBe(415)
    const latin = await send(server, {
      body: '{}',
      headers: { ...headers, 'content-type': 'application/json; charset=latin1' },
    })
    expect(latin.status).toBe(415)
  })

  it('a body that is not UTF-8', async () => {
    const server = await serve(schema())
    const post = async (body: Buffer) =>
      fetch(server.url, {
        method: 'POST',
        headers: { accept, 'content-type': 'application/json' },
        body: new Uint8Array(body),
      })
    const [before, after] = ['{"query":"mutation($t: String!) { save(text: $t) }","variables":{"t":"Jos', '"}}']
    const around = (bytes: number[]) => Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
    const wrong = {
      latin1: [0xe9],
      'another latin1': [0xe8],
      'a byte too few': [0xe2, 0x82],
      overlong: [0xc0, 0xaf],
      surrogate: [0xed, 0xa0, 0x80],
      'above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      const answer = await post(around(bytes))
      expect([what, answer.status, await answer.text()]).toEqual([what, 400, expect.stringContaining('not UTF-8')])
    }
    expect((await post(Buffer.from(`\ufeff${before}é${after}`, 'utf16le'))).status).toBe(400)
    expect(saved).toEqual([])
    // A mark at the start is none of the text.
    for (const start of ['', '\ufeff']) expect((await post(Buffer.from(`${start}${before}é${after}`))).status).toBe(200)
    expect(saved).toEqual(['José', 'José'])
  })

  it('a body over the limit, announced or not, and the client gets to read the answer', async () => {
    const server = await serve(schema())
    const fits = { query: 'query($text: String!) { length(text: $text) }', variables: { text: '' } }
    fits.variables.text = 'x'.repeat(bodyLimitBytes - JSON.stringify(fits).length)
    expect(await post(server, fits)).toMatchObject({ status: 200, data: { length: fits.variables.text.length } })
    const body = JSON.stringify({ query: saveSomething, padding: 'x'.repeat(8 * bodyLimitBytes) })
    const headers = { accept, 'content-type': 'application/json' }
    const announced = await rawRequest(server, '/graphql', { method: 'POST', headers }, body)
    const chunked = { ...headers, 'transfer-encoding': 'chunked' }
    const unannounced = await rawRequest(server, '/graphql', { method: 'POST', headers: chunked }, body)
    for (const answer of [announced, unannounced]) {
      expect(answer.status).toBe(413)
      expect(answer.text).toContain('1 MiB')
    }
    expect(saved).toEqual([])
  })
})

describe('a request that is refused before it is run', () => {
  it('a mutation whose answer the client would not accept is not run', async () => {
    const answer = await post(await serve(schema()), { query: saveSomething }, { accept: 'text/html' })
    expect(answer.status).toBe(406)
    expect(saved).toEqual([])
  })

  it('a subscription whose client accepts no event stream: its source is not opened', async () => {
    const answer = await post(
      await serve(schema()),
      { query: 'subscription { ticks }' },
      { accept: 'application/json' },
    )
    expect(answer.status).toBe(406)
    expect(answer.errors?.[0]?.message).toContain('text/event-stream')
    expect(saved).toEqual([])
  })

  it.each([
    ['no query', { variables: {} }],
    ['a query that is no text', { query: 1 }],
    ['an ID that is no text, and no query', { documentId: 1 }],
    ['variables that are a list', { query: '{ hello }', variables: [1] }],
    ['an operation name that is no text', { query: '{ hello }', operationName: 1 }],
    ['extensions that are a text', { query: '{ hello }', extensions: 'x' }],
  ])('a request with %s, whose members are known and wrong', async (_, members) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await send(await serve(schema()), { body: JSON.stringify(members), headers })
    expect([answer.status, answer.errors?.[0]?.extensions]).toEqual([400, { code: 'BAD_USER_INPUT' }])
  })
})

describe('a request with members that GraphQL over HTTP does not have', () => {
  it.each([
    ['an ID, as Relay’s network layers send it', { id: null, cacheConfig: { force: true }, uploadables: null }],
    ['the kind of the operation, as Apollo’s recipe for event streams sends it', { operationType: 'query' }],
    ['a key and an option, as graphql-hooks sends them', { key: 17, useCache: true, responseReducer: [] }],
    ['names from JavaScript’s depths', JSON.parse('{"__proto__": {"query": 1}, "constructor": 1}') as object],
    ['extensions that nobody knows', { extensions: { clientLibrary: { name: '@apollo/client' } } }],
  ])('is served as if they were not there: %s', async (_, members) => {
    const server = await serve(schema())
    const body = `${JSON.stringify(members).slice(0, -1)}, "query": "{ hello }"}`
    for (const accept of ['application/json', 'text/event-stream']) {
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body,
      })
      expect([response.status, await response.text()]).toEqual([
        200,
        expect.stringContaining('{"data":{"hello":"hello you"}}'),
      ])
    }
    const socket = await openSocket(server)
    socket.send({ type: 'subscribe', id: '1', payload: JSON.parse(body) as object })
    expect((await socket.told('1', 'next')).at(0)?.payload).toEqual({ data: { hello: 'hello you' } })
    socket.socket.terminate()
  })
})

describe('a path or header that is odd', () => {
  it('gets 404 that names /graphql, unless the path is exact', async () => {
    const server = await serve(schema())
    for (const path of ['/', '/graphql/', '/graphql/x', '/GraphQL', '//graphql', '/x/health', '/favicon.ico']) {
      const answer = await rawRequest(server, path)
      expect([path, answer.status]).toEqual([path, 404])
      expect(answer.text).toContain('/graphql')
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    }
  })

  it('is served whatever the Host header says: no URL is made of it', async () => {
    const server = await serve(schema())
    const headers = { host: '[', 'content-type': 'application/json' }
    const answer = await rawRequest(server, '/graphql?%zz', { method: 'POST', headers }, '{"query":"{ hello }"}')
    expect(answer).toMatchObject({ status: 200, text: '{"data":{"hello":"hello you"}}' })
  })
})

describe('x-request-id', () => {
  it('is on every answer, a different one each', async () => {
    const server = await serve(schema())
    const ids = []
    for (const path of ['/graphql', '/health', '/ready', '/nothing']) {
      ids.push((await rawRequest(server, path)).headers['x-request-id'])
    }
    ids.push((await post(server, { query: '{ hello }' })).headers.get('x-request-id'))
    expect(ids.every((id) => typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id))).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is the one that the caller sent, if it is well-formed', async () => {
    const server = await serve(schema())
    const idFor = async (id: string) =>
      (await post(server, { query: '{ hello }' }, { 'x-request-id': id })).headers.get('x-request-id')
    expect(await idFor('crawl_7-page-12')).toBe('crawl_7-page-12')
    for (const bad of ['', 'a b', 'x'.repeat(65), '{"a":1}']) expect(await idFor(bad)).toMatch(/^[0-9a-f-]{36}$/)
  })
})
