import { describe, expect, it } from 'vitest'
import { post, rawRequest, schemaOf, serve, until } from './http-support.ts'
import { countCallers } from '../../../src/limits/callers.ts'

const schema = schemaOf(
  'type Query { hello(name: String): String bye: String } type Mutation { save(text: String!): Boolean }',
  {
    'Query.hello': (_, { name }) => `hello ${String(name)}`,
    'Query.bye': () => {
      throw new Error('no')
    },
  },
)

describe('the request log', () => {
  it('has one line for each request: who, what, how long, how it went', async () => {
    const server = await serve(schema)
    const { headers } = await post(server, { query: 'query Greet { a: hello b: hello c: __typename }' })
    await until(() => expect(server.log).toHaveLength(1))
    expect(server.log[0]).toMatchObject({
      level: 30,
      msg: 'request',
      requestId: headers.get('x-request-id'),
      operationName: 'Greet',
      operationType: 'query',
      rootFields: ['hello', '__typename'],
      status: 200,
      outcome: 'ok',
    })
    expect(server.log[0]?.['durationMs']).toBeTypeOf('number')
  })

  it('names the error codes of the answer', async () => {
    const server = await serve(schema)
    await post(server, { query: '{ hello bye }' })
    await post(server, { query: '{ nothing }' })
    await rawRequest(server, '/nowhere?token=s3cret')
    await until(() => {
      expect(server.log.filter(({ msg }) => msg === 'request')).toMatchObject([
        { outcome: 'INTERNAL_SERVER_ERROR', status: 200 },
        { outcome: 'BAD_USER_INPUT', path: '/graphql' },
        { outcome: 'BAD_USER_INPUT', path: '/nowhere', status: 404 },
      ])
    })
  })

  it('names an operation that is refused because its caller has no points left for its objects', async () => {
    const listing = schemaOf('type Query { list: Item } type Item { a: Int }', { 'Query.list': () => ({ a: 1 }) })
    const server = await serve(listing, { callers: countCallers({ ratePointsPerMinute: 3 }) })
    // Each costs a point, and another for its object.
    for (const name of ['First', 'Second']) await post(server, { query: `query ${name} { list { a } }` })
    await until(() => expect(server.log).toHaveLength(2))
    const told = { operationType: 'query', rootFields: ['list'] }
    expect(server.log).toMatchObject([
      { ...told, operationName: 'First', outcome: 'ok', status: 200 },
      { ...told, operationName: 'Second', outcome: 'RATE_LIMITED', status: 429 },
    ])
  })

  it('has no variable, document, header or query string in it', async () => {
    const server = await serve(schema)
    const query = 'query Q($name: String) { hello(name: $name) b: hello(name: "s3cret") }'
    await post(server, { query, variables: { name: 's3cret' } }, { authorization: 's3cret', cookie: 's3cret' })
    await post(server, { query: 'mutation($text: String!) { save(text: $text) }', variables: { text: ['s3cret'] } })
    await post(server, { query: '{ s3cret' })
    await rawRequest(server, '/graphql?s3cret')
    await until(() => expect(server.log).toHaveLength(4))
    expect(server.logText()).not.toContain('s3cret')
  })

  it('bounds and cleans the names that a client chooses', async () => {
    const server = await serve(schema)
    await post(server, { query: '{ broken', operationName: `x\n{"level":60}${'y'.repeat(500)}` })
    await post(server, { query: `query ${'n'.repeat(500)} { hello }` })
    await rawRequest(server, `/${'p'.repeat(500)}<script>`)
    await until(() => expect(server.log).toHaveLength(3))
    const [first, second, third] = server.log
    expect(first?.['operationName']).toMatch(/^x\?\?\?level\?\?60\?y{86}$/)
    expect(second?.['operationName']).toBe('n'.repeat(100))
    expect(third?.['path']).toBe(`/${'p'.repeat(99)}`)
  })
})
