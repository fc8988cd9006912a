import { randomBytes } from 'node:crypto'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { type ServerProcess, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, operations } from '../../support/waymark.ts'
import { type CollectedSpan, type Collector, startCollector } from './collector.ts'

const SAVE = 'mutation saveCheckpoint'
const FEED = 'subscription { sessionStatusChanged { __typename } }'

describe('with OTEL_EXPORTER_OTLP_ENDPOINT', () => {
  let collector: Collector
  let database: TestDatabase
  let server: ServerProcess
  beforeAll(async () => {
    collector = await startCollector()
    database = await createTestDatabase()
    server = await startServer({
      DATABASE_URL: database.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      // A busy machine takes its time.
      DATABASE_CONNECT_TIMEOUT_MS: '4000',
      DATABASE_STATEMENT_TIMEOUT_MS: '20000',
    })
    await mutate(clientOf(server.url), 'registerUser', { userId: 'canary-user' })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await collector[Symbol.asyncDispose]()
  })

  /** Sends an operation as part of a trace of the caller's own. @returns where its caller is in it */
  async function ask(query: string, variables: object = {}, { sampled = true } = {}) {
    const caller = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') }
    const response = await fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        traceparent: `00-${caller.traceId}-${caller.spanId}-${sampled ? '01' : '00'}`,
      },
      body: JSON.stringify({ query, variables }),
    })
    return { ...caller, answer: (await response.json()) as { data?: any; errors?: any[] } }
  }
  /** Until it is: on a busy machine the first connections may come too late for it. */
  async function askInPeace(query: string, variables?: object) {
    let asked: Awaited<ReturnType<typeof ask>> | undefined
    const attempt = async () => (asked = await ask(query, variables)).answer.errors
    await expect.poll(attempt, { timeout: 20_000 }).toBeUndefined()
    if (!asked) throw new Error('never asked')
    return asked
  }
  const save = (stream: string) =>
    ask(operations.saveCheckpoint, { input: { userId: 'canary-user', stream, itemId: 't3_canary' } })
  const find = (spans: readonly CollectedSpan[], name: string) => {
    const found = spans.find((span) => span.name === name)
    if (!found) throw new Error(`no span ${name} in ${spans.map((span) => span.name).join(', ')}`)
    return found
  }
  const isStatement = ({ attributes }: CollectedSpan) => attributes['db.system.name'] === 'postgresql'

  it('makes one request one trace, of which the caller’s is the beginning: HTTP, GraphQL, statements', async () => {
    const { traceId, spanId } = await askInPeace(
      `query Canary($user: String!) {
        user(userId: $user) { userId sessions(first: 2) { nodes { sessionId } } }
        checkpoint(userId: "canary-literal") { version }
        streams { __typename }
      }`,
      { user: 'canary-user' },
    )
    const graphql = 'query user checkpoint streams'
    const spans = await collector.trace(traceId, 'POST /graphql', graphql)
    const http = find(spans, 'POST /graphql')
    const operation = find(spans, graphql)
    expect(http.parentSpanId).toBe(spanId)
    expect(http.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/graphql',
      'http.response.status_code': expect.anything() as unknown,
    })
    expect(operation.parentSpanId).toBe(http.spanId)
    expect(operation.attributes).toMatchObject({
      'graphql.operation.type': 'query',
      'graphql.operation.name': 'Canary',
    })
    const statements = spans.filter(isStatement)
    expect(statements.length).toBeGreaterThanOrEqual(3)
    expect(statements.map(({ parentSpanId }) => parentSpanId)).toEqual(statements.map(() => operation.spanId))
    const texts = statements.map(({ attributes }) => String(attributes['db.query.text']))
    for (const text of texts) expect(text).toMatch(/^\s*(SELECT|WITH)\b/i)
    expect(spans).toHaveLength(2 + statements.length)
  })

  it('makes a lone save’s commit part of its trace', async () => {
    const { traceId, answer } = await save('reddit/canary')
    expect(answer.data.result.__typename).toBe('SaveCheckpointSuccess')
    const spans = await collector.trace(traceId, SAVE, 'save set', 'save_checkpoints')
    const set = find(spans, 'save set')
    expect(set.parentSpanId).toBe(find(spans, SAVE).spanId)
    expect(set.links).toEqual([])
    expect(find(spans, 'save_checkpoints').parentSpanId).toBe(set.spanId)
  })

  it('makes a commit that several requests share a trace of its own, linked with each of them both ways', async () => {
    const requests: CollectedSpan[] = []
    const shared = () => collector.spans.filter(({ name, links }) => name === 'save set' && links.length > 1)
    const shareSome = async () => {
      const saves = await Promise.all(Array.from({ length: 30 }, (_, index) => save(`reddit/canary-${index}`)))
      for (const { traceId } of saves) requests.push(find(await collector.trace(traceId, SAVE), SAVE))
      return shared().length
    }
    // Where commits are quick and the machine is busy, each save may find the one before it written.
    await expect.poll(shareSome, { timeout: 20_000 }).toBeGreaterThan(0)
    for (const set of shared()) {
      expect(set.parentSpanId).toBe('')
      expect(find(await collector.trace(set.traceId, 'save_checkpoints'), 'save_checkpoints').parentSpanId).toBe(
        set.spanId,
      )
      for (const link of set.links) {
        const request = requests.find(({ spanId }) => spanId === link.spanId)
        expect(request?.links).toEqual([expect.objectContaining({ traceId: set.traceId, spanId: set.spanId })])
      }
    }
  })

  it('makes a read that several requests share a trace of its own, linked with each of them both ways', async () => {
    const isShared = ({ name, links }: CollectedSpan) => name === 'read set' && links.length > 1
    const served = new Set<string>()
    const shareSome = async () => {
      // Ten ask for the same.
      const asked = Array.from({ length: 30 }, (_, n) => ask(`{ user(userId: "canary-${n % 3}") { id } }`))
      // On a busy machine some are OVERLOADED.
      for (const { traceId, answer } of await Promise.all(asked)) if (!answer.errors) served.add(traceId)
      return collector.spans.filter(isShared).length
    }
    await expect.poll(shareSome, { timeout: 20_000 }).toBeGreaterThan(0)
    const requests = new Map<string, CollectedSpan>()
    for (const traceId of served) {
      const spans = await collector.trace(traceId, 'query user', 'POST /graphql')
      const request = find(spans, 'query user')
      requests.set(request.spanId, request)
      // What it read alone is in its trace, and nothing of what it read with others.
      const statements = spans.filter(isStatement)
      expect(statements.map(({ parentSpanId }) => parentSpanId)).toEqual(statements.map(() => request.spanId))
      expect([statements.length, request.links.length].toSorted()).toEqual([0, 1])
    }
    const sets = collector.spans
      .filter(isShared)
      .filter(({ links }) => links.every(({ spanId }) => requests.has(spanId)))
    expect(sets).not.toEqual([])
    for (const { traceId, spanId, parentSpanId, links } of sets) {
      expect(parentSpanId).toBe('')
      const statements = (await collector.trace(traceId, 'users_by_id', 'read set')).filter(isStatement)
      expect(statements.map((statement) => statement.parentSpanId)).toEqual([spanId])
      for (const link of links) {
        expect(requests.get(link.spanId)?.links).toEqual([expect.objectContaining({ traceId, spanId })])
      }
    }
  })

  it('keeps a statement in the trace of who sent it, also where it waited for another request’s connection', async () => {
    const asked = await Promise.all(
      Array.from({ length: 40 }, () => ask('query { users(first: 1) { totalCount nodes { userId } } }')),
    )
    // On a busy machine some are OVERLOADED.
    const served = asked.filter(({ answer }) => answer.errors === undefined)
    expect(served.length).toBeGreaterThan(1)
    const counts = []
    for (const { traceId } of served) {
      const spans = await collector.trace(traceId, 'query users', 'POST /graphql')
      const operation = find(spans, 'query users')
      const statements = spans.filter(isStatement)
      expect(statements.every(({ parentSpanId }) => parentSpanId === operation.spanId)).toBe(true)
      counts.push(statements.length)
    }
    expect(new Set(counts).size).toBe(1)
    expect(counts[0]).toBeGreaterThan(0)
  })

  it('ends a subscription’s trace when its stream is open', async () => {
    const leave = new AbortController()
    const traceId = randomBytes(16).toString('hex')
    await fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`,
      },
      body: JSON.stringify({ query: FEED }),
      signal: leave.signal,
    })
    const spans = await collector.trace(traceId, 'POST /graphql', 'subscription sessionStatusChanged')
    expect(find(spans, 'subscription sessionStatusChanged').parentSpanId).toBe(find(spans, 'POST /graphql').spanId)
    leave.abort()
  })

  it('makes an operation over a WebSocket a trace of its own', async () => {
    const client = createClient({ url: server.url.replace('http', 'ws'), webSocketImpl: WebSocket })
    for await (const _ of client.iterate({ query: 'query OverSocket { viewer { subject } streams { __typename } }' }));
    await client.dispose()
    const named = () => collector.spans.find(({ attributes }) => attributes['graphql.operation.name'] === 'OverSocket')
    await expect.poll(named, { timeout: 15_000 }).toBeDefined()
    expect(named()).toMatchObject({ name: 'query viewer streams', parentSpanId: '' })
    const spans = await collector.trace(named()?.traceId ?? '', 'query viewer streams')
    expect(spans.filter(isStatement).map(({ parentSpanId }) => parentSpanId)).toEqual([named()?.spanId])
  })

  it('marks what failed on the server, with codes and no messages, and not what its caller did wrong', async () => {
    const wrong = await ask('{ canaryField }')
    expect(find(await collector.trace(wrong.traceId, 'POST /graphql'), 'POST /graphql')).toMatchObject({
      status: 0,
      attributes: { 'error.type': 'BAD_USER_INPUT' },
    })
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE public."user" IN ACCESS EXCLUSIVE MODE')
      const failed = await ask('{ users(first: 1) { nodes { userId } } }')
      expect(failed.answer.errors?.[0].extensions.code).toBe('SERVICE_UNAVAILABLE')
      const spans = await collector.trace(failed.traceId, 'POST /graphql', 'query users')
      expect(find(spans, 'query users')).toMatchObject({
        status: 2,
        attributes: { 'error.type': 'SERVICE_UNAVAILABLE' },
      })
      const statement = spans.find((span) => isStatement(span) && span.status === 2)
      expect(statement?.attributes['db.response.status_code']).toBe('55P03')
      await client.query('ROLLBACK')
    })
  })

  it('follows the caller’s decision not to be traced', async () => {
    const left = await ask('{ streams { __typename } }', {}, { sampled: false })
    const { traceId } = await ask('{ streams { __typename } }')
    await collector.trace(traceId, 'query streams')
    expect(collector.spans.filter((span) => span.traceId === left.traceId)).toEqual([])
  })

  it('leaves the statements of what runs by itself alone', () => {
    const background = /reap|feed_look|feed_notify|clock|prune/
    const known = new Set(collector.spans.map(({ spanId }) => spanId))
    const statements = collector.spans.filter(isStatement)
    expect(statements.filter(({ parentSpanId }) => !known.has(parentSpanId))).toEqual([])
    expect(statements.filter(({ name }) => background.test(name))).toEqual([])
  })

  it('sends by OTLP over HTTP, as service waymark, and no value of a variable, a literal or a row', () => {
    expect(collector.text()).toMatch(/^\/v1\/traces application\/json \{/)
    expect(collector.resource()).toMatchObject({
      'service.name': 'waymark',
      'service.version': expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      'deployment.environment.name': 'test',
    })
    expect(collector.text()).toContain('save_checkpoints')
    // The operation's name, which its client chose to be seen, is capitalised.
    expect(collector.text()).not.toMatch(/canary/)
  })

  it('sends what is left when it is told to end, in time', async () => {
    const { traceId } = await ask('{ streams { __typename } }')
    server.child.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
    await collector.trace(traceId, 'query streams', 'POST /graphql')
  })
})

describe('a collector that is away', () => {
  it('costs the spans, and nothing else', async () => {
    const collector = await startCollector()
    await collector[Symbol.asyncDispose]()
    await using database = await createTestDatabase()
    await using server = await startServer({
      DATABASE_URL: database.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
    })
    for (let count = 0; count < 5; count += 1) {
      expect(await clientOf(server.url).ask('{ users { totalCount } }')).toEqual({ users: { totalCount: 0 } })
    }
    server.child.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
  })
})
