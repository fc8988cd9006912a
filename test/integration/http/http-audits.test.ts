import { serverAudits } from 'graphql-http'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../../src/app.ts'
import { createKey } from '../../../src/access/keys.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { startOn, startWaymark, type TestWaymark } from '../../support/waymark.ts'

/** As on a public address: callers authenticate. What is asked for in these tests is asked by one who may do everything. */
let waymark: TestWaymark
/** With introspection, which some of the audits ask by. */
let local: App
let authorization: string

beforeAll(async () => {
  waymark = await startWaymark({ AUTHENTICATION: 'keys' })
  local = await startOn(waymark.database.url)
  const log = pino({ level: 'silent' })
  const limits = { poolSize: 2, connectTimeoutMs: 4_000, statementTimeoutMs: 10_000 }
  const database = openDatabase({ url: waymark.database.url, ...limits, log })
  const key = { client: 'auditor', scopes: ['read', 'crawl', 'operate', 'admin'] as const, expiresAt: undefined }
  const created = await createKey(database, localOperator, { ...key, userIds: undefined }, new Date())
  if (created instanceof Error) throw created
  authorization = `Bearer ${created.text}`
  await database.close()
})
afterAll(async () => {
  await local.close()
  await waymark[Symbol.asyncDispose]()
})

function fetchAsAuditor(url: string | URL, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', authorization)
  return fetch(url, { ...init, headers })
}

describe('GraphQL over HTTP, by graphql-http’s audits of servers', () => {
  // Of the audits only the URL is asked for late: the server is not there yet.
  const audits = serverAudits({ url: () => local.url, fetchFn: fetch })

  it('has audits at all', () => {
    expect(audits.length).toBeGreaterThan(50)
  })

  it.each(audits.map(({ name, id, fn }) => [name, id, fn] as const))('%s (%s)', async (name, _id, fn) => {
    const result = await fn()
    const reason = result.status === 'ok' ? undefined : result.reason
    expect({ name, status: result.status, reason }).toEqual({ name, status: 'ok', reason: undefined })
  })
})

describe('a finding of graphql-cop (https://github.com/dolevf/graphql-cop)', () => {
  interface Answer {
    readonly status: number
    readonly text: string
    readonly body: { data?: Record<string, any> | null; errors?: { message: string; extensions: object }[] } | undefined
  }

  async function answerOf(response: Response): Promise<Answer> {
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return { status: response.status, text, body: isJson ? (JSON.parse(text) as Answer['body']) : undefined }
  }
  const postJson = async (body: unknown) => {
    const headers = { 'content-type': 'application/json' }
    return answerOf(await fetchAsAuditor(waymark.url, { method: 'POST', headers, body: JSON.stringify(body) }))
  }
  const ask = (query: string) => postJson({ query })
  const get = async (path: string) => answerOf(await fetchAsAuditor(new URL(path, waymark.url)))
  const names = (count: number, name: (index: number) => string) => Array.from({ length: count }, (_, at) => name(at))

  function expectRefused({ body }: Answer, message: RegExp) {
    expect(body?.data).toBeUndefined()
    expect(body?.errors?.[0]?.message).toMatch(message)
  }

  it('would be possible: the endpoint is found, and answers', async () => {
    expect((await ask('{ __typename }')).body).toEqual({ data: { __typename: 'Query' } })
  })

  it('is not: Alias Overloading', async () => {
    expectRefused(await ask(`{ ${names(101, (at) => `alias${at}: __typename`).join(' ')} }`), /root fields|aliases/)
  })

  it('is not: Array-based Query Batching', async () => {
    expectRefused(
      await postJson(names(11, () => '{ __typename }').map((query) => ({ query }))),
      /^Batches are not served/,
    )
  })

  it('is not: Directive Overloading', async () => {
    // The finding is one error for each directive.
    const answer = await ask(`{ __typename ${'@aa'.repeat(10)} }`)
    expectRefused(answer, /directive/i)
    expect(answer.body?.errors).toHaveLength(1)
  })

  it('is not: Field Duplication', async () => {
    expectRefused(await ask(`{ ${'__typename '.repeat(500)} }`), /fields/)
  })

  it('is not: Introspection-based Circular Query', async () => {
    const nested = '{ fields { type '.repeat(4)
    const { body } = await ask(`{ __schema { types ${nested}{ name }${' } }'.repeat(4)} } }`)
    expect(body?.data).toBeUndefined()
  })

  it('is not: Circular Fragment', async () => {
    const { body } = await ask('{ ...A } fragment A on Query { __typename ...B } fragment B on Query { ...A }')
    expect(body?.data).toBeUndefined()
    expect(body?.errors?.length).toBeGreaterThan(0)
  })

  it('is not: Introspection', async () => {
    for (const query of ['{ __schema { types { name } } }', '{ __type(name: "Query") { name } }']) {
      expectRefused(await ask(query), /introspection/i)
    }
  })

  it('is not: Field Suggestions', async () => {
    for (const query of [
      '{ __schema { directive } }',
      '{ sesion { sessionId } }',
      '{ user(userid: "a") { userId } }',
    ]) {
      const { text, body } = await ask(query)
      expect(body?.errors?.length).toBeGreaterThan(0)
      expect(text).not.toContain('Did you mean')
    }
  })

  it('is not: GraphQL IDE (GraphiQL, Playground)', async () => {
    for (const path of ['/graphiql', '/playground', '/console', '/graphql', '/']) {
      const response = await fetchAsAuditor(new URL(path, waymark.url), { headers: { accept: 'text/html,*/*' } })
      expect(response.headers.get('content-type'), path).not.toContain('html')
      expect(await response.text(), path).not.toMatch(/<script|graphiql\.min|playground/i)
    }
  })

  it('is, and is no danger: GET Method Query Support (possible CSRF). A page of another site is refused', async () => {
    const path = '/graphql?query={__typename}'
    expect((await get(path)).body).toEqual({ data: { __typename: 'Query' } })
    for (const [name, value] of [
      ['sec-fetch-site', 'cross-site'] as const,
      ['origin', 'https://elsewhere.example'] as const,
    ]) {
      const { status, body } = await answerOf(
        await fetchAsAuditor(new URL(path, waymark.url), { headers: { [name]: value } }),
      )
      expect({ status, data: body?.data }).toEqual({ status: 403, data: undefined })
    }
  })

  it('is not: Mutation is allowed over GET (possible CSRF)', async () => {
    const { status, body } = await get('/graphql?query=mutation{__typename}')
    expect({ status, data: body?.data }).toEqual({ status: 405, data: undefined })
  })

  it('is not: POST based url-encoded query (possible CSRF)', async () => {
    const body = new URLSearchParams({ query: '{ __typename }' })
    const inBody = await answerOf(await fetchAsAuditor(waymark.url, { method: 'POST', body }))
    const inUrl = await answerOf(await fetchAsAuditor(`${waymark.url}?${body.toString()}`, { method: 'POST' }))
    for (const answer of [inBody, inUrl]) {
      expect({ status: answer.status, data: answer.body?.data }).toEqual({ status: 415, data: undefined })
    }
  })

  it('is not: Trace Mode', async () => {
    for (const query of ['{ __typename }', '{ users { totalCount } }', '{ nothing }']) {
      const { body, text } = await ask(query)
      expect(body).not.toHaveProperty('extensions')
      expect(text).not.toMatch(/tracing|exception|stacktrace/i)
    }
  })

  it('is not: Unhandled Errors Detection', async () => {
    const answer = await ask('qwerty cop { abc }')
    expectRefused(answer, /^Syntax Error/)
    expect(answer.body?.errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' })
    expect(answer.text).not.toMatch(/exception|node_modules|\.js:|\.ts:/)
  })
})
