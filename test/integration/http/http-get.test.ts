import type { OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors/fault.ts'
import { post, rawRequest, schemaOf, type Served, serve, until } from './http-support.ts'

let saved: string[] = []
let reads = 0
beforeEach(() => {
  saved = []
  reads = 0
})

const schema = () =>
  schemaOf(
    `type Query { hello(name: String = "you"): String! name: String broken: String! hi: String! }
     type Mutation { save(text: String!): Boolean! }
     type Subscription { ticks(after: String): Tick! } type Tick { n: Int! after: String }`,
    {
      'Query.hello': (_, { name }) => {
        reads += 1
        return `hello ${String(name)}`
      },
      'Query.broken': () => {
        throw new Fault('SERVICE_UNAVAILABLE', 'Gone.')
      },
      'Mutation.save': (_, { text: given }) => saved.push(String(given)) > 0,
      'Subscription.ticks': async function* (_, { after }) {
        saved.push('a source was opened')
        await Promise.resolve()
        for (const n of [1, 2]) yield { cursor: `cursor-${n}`, ticks: { n, after } }
      },
    },
  )

type Parameters = Record<string, string>
const pathOf = (parameters: Parameters) => `/graphql?${new URLSearchParams(parameters).toString()}`

async function get(
  server: Served,
  parameters: Parameters | string,
  headers: OutgoingHttpHeaders = {},
  method: 'GET' | 'HEAD' = 'GET',
) {
  const path = typeof parameters === 'string' ? parameters : pathOf(parameters)
  const answer = await rawRequest(server, path, { method, headers })
  return { ...answer, body: answer.text === '' ? undefined : (JSON.parse(answer.text) as Record<string, any>) }
}

describe('a query by GET', () => {
  it('is answered as by POST: variables, operationName, extensions', async () => {
    const server = await serve(schema())
    const asked = {
      query: 'query A { a: hello } query B($name: String) { hello(name: $name) }',
      variables: { name: 'ünïcode + \u{1f516} & = %' },
      operationName: 'B',
    }
    const {
      status,
      headers,
      text: told,
    } = await get(server, {
      ...asked,
      variables: JSON.stringify(asked.variables),
      extensions: '{"client":{"name":"x"}}',
    })
    const posted = await post(server, asked)
    expect([status, headers['content-type'], told]).toEqual([200, 'application/json; charset=utf-8', posted.text])
    expect(told).toContain('hello ünïcode + \u{1f516} & = %')
  })

  it.each<[string, string, string]>([
    ['a plus is a space', '/graphql?query={hello(name:"a+b")}', 'hello a b'],
    ['percent-encoded UTF-8', '/graphql?query=%7Bhello(name%3A%22%F0%9F%94%96%22)%7D', 'hello \u{1f516}'],
    ['parameters that are empty are none', '/graphql?query={hello}&variables=&operationName=&extensions=', 'hello you'],
    ['null is nothing', '/graphql?query={hello}&variables=null&extensions=null', 'hello you'],
    ['other parameters are ignored, whatever they are', '/graphql?utm=%zz&query={hello}&utm&&=&%', 'hello you'],
  ])('reads its URL: %s', async (_, path, hello) => {
    expect(await get(await serve(schema()), path)).toMatchObject({ status: 200, body: { data: { hello } } })
  })

  it('is 400 where its URL is not ASCII', async () => {
    const server = await serve(schema())
    for (const name of [Buffer.from('José'), Buffer.from([0x4a, 0x6f, 0x73, 0xe9])]) {
      const socket = connect(server.port, '127.0.0.1')
      socket.write(Buffer.concat([Buffer.from('GET /graphql?query={hello(name:"'), name]))
      socket.write('")} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
      expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /)
    }
    expect(reads).toBe(0)
  })

  it.each<[string, string, RegExp]>([
    ['bytes that are no UTF-8', '/graphql?query={hello(name:"Jos%e9")}', /not percent-encoded UTF-8/],
    ['variables with such bytes', '/graphql?query={hello}&variables={"a":"%ff"}', /not percent-encoded UTF-8/],
    ['a percent sign alone', '/graphql?query={hello(name:"100%")}', /not percent-encoded UTF-8/],
    ['an encoded surrogate', '/graphql?query={hello(name:"%ED%A0%80")}', /not percent-encoded UTF-8/],
    ['an overlong encoding', '/graphql?query={hello(name:"%C0%AF")}', /not percent-encoded UTF-8/],
    ['no query', '/graphql', /must have a member "query"/],
    ['an empty query', '/graphql?query=', /must have a member "query"/],
    ['only variables', '/graphql?variables={}', /must have a member "query"/],
    ['a query twice', '/graphql?query={hello}&query={name}', /has "query" twice/],
    ['variables twice', '/graphql?query={hello}&variables=&variables={}', /has "variables" twice/],
    ['variables that are no JSON', '/graphql?query={hello}&variables={s3cret}', /"variables" that are not valid JSON/],
    ['variables that are a list', '/graphql?query={hello}&variables=[1]', /must have an object as variables/],
    ['extensions that are a text', '/graphql?query={hello}&extensions="x"', /must have an object as extensions/],
  ])('is 400 for %s', async (_, path, message) => {
    const server = await serve(schema())
    const { status, headers, body } = await get(server, path, { accept: 'application/graphql-response+json' })
    expect({ status, cache: headers['cache-control'], errors: body?.['errors'] }).toMatchObject({
      status: 400,
      cache: 'private, no-cache',
      errors: [{ message: expect.stringMatching(message) as string, extensions: { code: 'BAD_USER_INPUT' } }],
    })
    expect([reads, JSON.stringify(body), server.logText()].join()).not.toContain('s3cret')
  })

  it('has the statuses of GraphQL over HTTP', async () => {
    const server = await serve(schema())
    const response = { accept: 'application/graphql-response+json' }
    const statusOf = async (query: string, headers = {}) => (await get(server, { query }, headers)).status
    expect(await statusOf('{ hello')).toBe(200)
    expect(await statusOf('{ hello', response)).toBe(400)
    expect(await statusOf('{ nothing }', response)).toBe(400)
    expect(await statusOf('{ broken }')).toBe(503)
    expect(await statusOf('{ hello }', { accept: 'text/html;q=0, image/png' })).toBe(406)
  })

  it('never changes anything: a mutation is 405, and is not run', async () => {
    const server = await serve(schema())
    for (const method of ['GET', 'HEAD'] as const)
      for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream'])
        for (const parameters of [
          { query: 'mutation { save(text: "x") }' },
          { query: 'query A { hello } mutation B { save(text: "x") }', operationName: 'B' },
          { query: 'mutation($t: String!) { ...M } fragment M on Mutation { save(text: $t) }', variables: '{"t":"x"}' },
        ] as Parameters[]) {
          const answer = await rawRequest(server, pathOf(parameters), { method, headers: { accept } })
          expect([answer.status, answer.headers.allow]).toEqual([405, 'POST'])
          if (method === 'GET') expect(answer.text).toContain('BAD_USER_INPUT')
        }
    expect(saved).toEqual([])
    expect((await get(server, { query: 'query A { hello } mutation B { save(text: "x") }', operationName: 'A' })).status).toBe(200) // prettier-ignore
  })

  it('by HEAD is the same without its body', async () => {
    const server = await serve(schema())
    const [head, whole] = [
      await get(server, { query: '{ hello }' }, {}, 'HEAD'),
      await get(server, { query: '{ hello }' }),
    ]
    const same = ['content-type', 'content-length', 'etag', 'cache-control', 'vary']
    expect(same.map((name) => head.headers[name])).toEqual(same.map((name) => whole.headers[name]))
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', String(whole.text.length)])
  })

  it('counts, and is logged, as by POST: but nothing of its URL is', async () => {
    const server = await serve(schema())
    const query = 'query Greet($name: String) { hello(name: $name) }'
    await get(server, { query, variables: '{"name":"s3cret"}', extensions: '{"s3cret":1}', s3cret: 's3cret' })
    await get(server, { query: '{ hello(name: "s3cret") ', variables: '{"name":"s3cret"}' })
    await get(server, '/graphql?query=%7B&variables=s3cret')
    await get(server, { query, variables: '{"name":["s3cret"]}' }, { origin: 'https://s3cret.example' })
    await until(() => expect(server.log).toHaveLength(4))
    expect(server.log).toMatchObject([
      {
        method: 'GET',
        operationName: 'Greet',
        operationType: 'query',
        rootFields: ['hello'],
        status: 200,
        outcome: 'ok',
      },
      { method: 'GET', path: '/graphql', outcome: 'BAD_USER_INPUT' },
      { method: 'GET', path: '/graphql', status: 400, reason: expect.stringContaining('"variables"') as string },
      { method: 'GET', path: '/graphql', status: 403, reason: expect.stringContaining('ALLOWED_ORIGINS') as string },
    ])
    expect(server.logText()).not.toContain('s3cret')
  })
})

describe('an answer by GET', () => {
  const query = { query: '{ hello }' }

  it('may be kept by its caller’s cache, which must ask each time; its tag is equal for equal answers', async () => {
    const server = await serve(schema())
    const [first, again] = [await get(server, query), await get(server, query)]
    expect(first.headers).toMatchObject({ 'cache-control': 'private, no-cache', vary: 'accept, accept-encoding' })
    expect(first.headers.etag).toMatch(/^W\/"[\w-]+"$/)
    expect(again.headers.etag).toBe(first.headers.etag)
    const others = [
      await get(server, { query: '{ hello(name: "me") }' }),
      await get(server, query, { accept: 'application/graphql-response+json' }),
    ]
    expect(new Set([first, ...others].map(({ headers }) => headers.etag)).size).toBe(3)
  })

  it.each<[string, (tag: string) => string]>([
    ['the tag', (tag) => tag],
    ['the tag as a strong one', (tag) => tag.replace('W/', '')],
    ['the tag among others', (tag) => `"a", W/"b,c" ,${tag}, "d"`],
    ['any', () => '*'],
  ])('is 304, without a body, where If-None-Match names %s', async (_, headerOf) => {
    const server = await serve(schema())
    const { etag = '' } = (await get(server, query)).headers
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await get(server, query, { 'if-none-match': headerOf(etag) }, method)
      expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([304, '', undefined])
      expect(answer.headers).toMatchObject({
        etag,
        'cache-control': 'private, no-cache',
        vary: 'accept, accept-encoding',
      })
      expect(answer.headers).toHaveProperty('x-request-id')
    }
    // It was run: nothing is answered from memory.
    expect(reads).toBe(3)
  })

  it('is sent whole where If-None-Match names another one, and where it failed', async () => {
    const server = await serve(schema())
    const { etag = '' } = (await get(server, query)).headers
    for (const other of ['"a"', 'W/""', etag.slice(0, -2), `${etag.slice(0, -1)}x"`, etag.toUpperCase(), ''])
      expect((await get(server, query, { 'if-none-match': other })).status).toBe(200)
    const failed = await get(server, { query: '{ broken }' }, { 'if-none-match': '*' })
    expect([failed.status, failed.headers.etag]).toEqual([503, undefined])
  })

  it('by POST has no tag and is never 304', async () => {
    const answer = await post(await serve(schema()), query, { 'if-none-match': '*' })
    expect([answer.status, answer.headers.get('etag'), answer.headers.get('cache-control')]).toEqual([200, null, null])
  })
})

describe('a GET that a page of another site makes', () => {
  const dashboard = 'https://dashboard.example.org'
  const own = (server: Served) => new URL(server.url).origin
  type HeadersOf = (server: Served) => OutgoingHttpHeaders
  const refused: [string, HeadersOf][] = [
    ['an image or a script of another site', () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })],
    ['a link of another site', () => ({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })],
    ['a neighbour on the same site (another port, another subdomain)', () => ({ 'sec-fetch-site': 'same-site' })],
    ['a value that browsers do not have yet', () => ({ 'sec-fetch-site': 'next-door' })],
    [
      'fetch or EventSource of another site',
      () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }),
    ],
    ['a browser that sends Origin only', () => ({ origin: 'https://evil.example' })],
    ['a page without an origin (a frame in a sandbox)', () => ({ origin: 'null', 'sec-fetch-site': 'cross-site' })],
    ['such a page in a browser that sends Origin only', () => ({ origin: 'null' })],
    ['an origin that is no URL', () => ({ origin: 'evil' })],
    ['the server’s own host at another port', (server) => ({ origin: own(server).replace(/\d+$/, '1') })],
    ['a stranger whose page says it is at home', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' })], // prettier-ignore
    ['an allowed site by plain http', () => ({ origin: dashboard.replace('https', 'http') })],
    ['a site whose name begins like an allowed one’s', () => ({ origin: `${dashboard}.evil.example` })],
    ['a link of a site that names the allowed one in its path', () => ({ 'sec-fetch-site': 'cross-site', referer: `https://evil.example/${dashboard}` })], // prettier-ignore
    ['a stranger that names the allowed site as Referer', () => ({ origin: 'null', referer: `${dashboard}/`, 'sec-fetch-site': 'cross-site' })], // prettier-ignore
  ]
  const served: [string, HeadersOf][] = [
    ['curl, and gateways', () => ({})],
    ['a page of the server’s own', () => ({ 'sec-fetch-site': 'same-origin' })],
    ['the same with Origin', (server) => ({ 'sec-fetch-site': 'same-origin', origin: own(server) })],
    ['the same in a browser that sends Origin only', (server) => ({ origin: own(server) })],
    ['an address that somebody typed', () => ({ 'sec-fetch-site': 'none' })],
    ['an allowed site', () => ({ 'sec-fetch-site': 'cross-site', origin: dashboard })],
    ['an allowed site in a browser that sends Origin only', () => ({ origin: dashboard })],
    ['a link of an allowed site', () => ({ 'sec-fetch-site': 'cross-site', referer: `${dashboard}/crawls?x=1` })],
  ]

  it.each(refused)('is 403, and nothing is run: %s', async (_, headersOf) => {
    const server = await serve(schema(), { allowedOrigins: [dashboard] })
    for (const method of ['GET', 'HEAD'] as const) {
      const query = pathOf({ query: '{ hello }' })
      const answer = await get(server, query, headersOf(server), method)
      expect([answer.status, answer.headers.etag]).toEqual([403, undefined])
      const events = { accept: 'text/event-stream', ...headersOf(server) }
      expect((await get(server, pathOf({ query: 'subscription { ticks { n } }' }), events, method)).status).toBe(403)
    }
    const { body } = await get(server, { query: '{ hello }' }, headersOf(server))
    expect(body?.['errors']).toMatchObject([{ message: expect.stringContaining('ALLOWED_ORIGINS') as string }])
    expect([reads, saved]).toEqual([0, []])
  })

  it.each(served)('is served: %s', async (_, headersOf) => {
    const server = await serve(schema(), { allowedOrigins: [dashboard] })
    expect((await get(server, { query: '{ hello }' }, headersOf(server))).status).toBe(200)
  })

  it('is 403 for every other site where no site is allowed', async () => {
    const server = await serve(schema())
    for (const headers of [
      { origin: dashboard },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site' },
    ])
      expect((await get(server, { query: '{ hello }' }, headers)).status).toBe(403)
  })

  it('of an allowed one may read the answer, its tag and its request id', async () => {
    const server = await serve(schema(), { allowedOrigins: [dashboard] })
    const { headers } = await get(server, { query: '{ hello }' }, { origin: dashboard })
    expect(headers).toMatchObject({
      'access-control-allow-origin': dashboard,
      'access-control-expose-headers': 'x-request-id, retry-after, etag',
      vary: 'origin, accept, accept-encoding',
    })
  })

  it('is not shown GraphiQL’s data either: the page is the same for everybody', async () => {
    const server = await serve(schema())
    const page = await rawRequest(server, pathOf({ query: '{ hello }' }), {
      headers: { accept: 'text/html', 'sec-fetch-site': 'cross-site' },
    })
    expect([page.status, page.text.includes('hello you'), reads]).toEqual([200, false, 0])
  })
})

describe('a subscription by GET', () => {
  const query = 'subscription ($after: String) { ticks(after: $after) { n after } }'
  const events = { accept: 'text/event-stream' }

  it('is answered as by POST, with each event’s cursor as its id, which EventSource sends when it connects again', async () => {
    const server = await serve(schema())
    const {
      status,
      headers,
      text: told,
    } = await rawRequest(server, pathOf({ query, variables: '{"after":"x"}' }), {
      headers: events,
    })
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream'])
    const event = (n: number) => `event: next\ndata: {"data":{"ticks":{"n":${n},"after":"x"}}}\nid: cursor-${n}\n\n`
    expect(told).toBe(`:\n\n${event(1)}${event(2)}event: complete\ndata:\n\n`)
    await until(() => expect(server.log.at(-1)).toMatchObject({ msg: 'subscription ended', method: 'GET', events: 2 }))
  })

  it('is 406 where no event stream is accepted, and 405 by HEAD; no source is opened', async () => {
    const server = await serve(schema())
    expect((await get(server, { query }, { accept: 'application/json' })).status).toBe(406)
    expect((await get(server, { query })).status).toBe(406)
    const head = await get(server, { query }, events, 'HEAD')
    expect([head.status, head.headers.allow]).toEqual([405, 'GET, POST'])
    expect(saved).toEqual([])
  })

  it('answers a query by one event, where nothing else is accepted', async () => {
    const { text: told } = await rawRequest(await serve(schema()), pathOf({ query: '{ hello }' }), { headers: events })
    expect(told).toBe(':\n\nevent: next\ndata: {"data":{"hello":"hello you"}}\n\nevent: complete\ndata:\n\n')
  })
})
