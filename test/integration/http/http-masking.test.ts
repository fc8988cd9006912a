import { GraphQLError } from 'graphql'
import { describe, expect, it } from 'vitest'
import { Fault, type FaultCode } from '../../../src/errors/fault.ts'
import { post, schemaOf, serve, type LogLine } from './http-support.ts'

const secret = 'postgresql://waymark:hunter2@db.internal:5432/prod'

function failingWith(thrown: unknown) {
  return schemaOf('enum Status { RUNNING } type Query { a: String b: String! count: Int status: Status }', {
    'Query.a': () => 'a',
    'Query.b': () => {
      throw thrown
    },
    'Query.count': () => 3_000_000_000,
    'Query.status': () => 'a status of the old table',
  })
}

const errorLines = (log: readonly LogLine[]) => log.filter(({ level }) => level >= 50)

describe('an unexpected error', () => {
  it('reaches the client as a request id only, and the log in full under the same id', async () => {
    const thrown = Object.assign(new Error(`relation "crawl_session" is broken at ${secret}`), {
      code: 'XX001',
      detail: 'Key (user_id)=(alice) is not present',
      cause: new Error('disk on fire'),
    })
    const server = await serve(failingWith(thrown))
    const answer = await post(server, { query: '{ b }' })
    const requestId = answer.headers.get('x-request-id')
    expect(answer.status).toBe(500)
    expect(answer.data).toBeNull()
    expect(answer.errors).toEqual([
      {
        message: `Unexpected error. It was logged: when you report it, quote request id ${String(requestId)}.`,
        locations: [{ line: 1, column: 3 }],
        path: ['b'],
        extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
      },
    ])
    expect(errorLines(server.log)).toMatchObject([
      {
        requestId,
        path: 'b',
        error: {
          type: 'Error',
          code: 'XX001',
          message: 'relation "crawl_session" is broken at postgresql://waymark:***@db.internal:5432/prod',
          cause: { message: 'disk on fire' },
        },
      },
    ])
    expect(server.logText()).toContain('http-masking.test.ts') // the stack
  })

  it('leaves neither a password nor what the driver quoted from a row in the log', async () => {
    const thrown = Object.assign(new Error(secret), { detail: 'Key (user_id)=(alice)', parameters: ['alice'] })
    const server = await serve(failingWith(thrown), { debug: true })
    await post(server, { query: '{ b }' })
    expect(errorLines(server.log)).toHaveLength(1)
    expect(server.logText()).not.toMatch(/hunter2|alice/)
  })

  it.each([
    ['a string', 'boom'],
    ['undefined', undefined],
    ['an object', { message: secret }],
    ['several at once', new AggregateError([new Error(secret), new Error(secret)], secret)],
    ['a GraphQL error that a library made of a value', new GraphQLError(secret)],
  ])('is masked when it is %s', async (_, thrown) => {
    const answer = await post(await serve(failingWith(thrown)), { query: '{ b }' })
    expect(answer.errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }])
    expect(answer.text).not.toMatch(/hunter2|boom/)
  })

  it('is masked when a stored value does not fit the schema, and spares the other fields', async () => {
    const server = await serve(failingWith(undefined))
    const answer = await post(server, { query: '{ a count status }' })
    expect(answer).toMatchObject({ status: 200, data: { a: 'a', count: null, status: null } })
    expect(answer.errors?.map(({ extensions }) => extensions['code'])).toEqual(Array(2).fill('INTERNAL_SERVER_ERROR'))
    expect(answer.text).not.toMatch(/3000000000|old table/)
    expect(server.logText()).toMatch(/3000000000.*old table/)
  })

  it('is masked when the context cannot be made, also when it was a timeout', async () => {
    for (const thrown of [new Error(secret), new DOMException(secret, 'TimeoutError')]) {
      const server = await serve(failingWith(undefined), {
        createContext: () => {
          throw thrown
        },
      })
      const answer = await post(server, { query: '{ a }' })
      expect(answer.status).toBe(500)
      expect(answer.errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }])
      expect(answer.text).not.toContain('hunter2')
    }
  })
})

describe('a fault', () => {
  it('passes with its message and code, and its cause stays behind', async () => {
    const fault = new Fault('CURSOR_EXPIRED', 'List again and watch from the new cursor.', { cause: new Error(secret) })
    const server = await serve(failingWith(fault))
    const answer = await post(server, { query: '{ b }' })
    expect(answer.status).toBe(200)
    expect(answer.errors).toMatchObject([
      { message: 'List again and watch from the new cursor.', path: ['b'], extensions: { code: 'CURSOR_EXPIRED' } },
    ])
    expect(answer.text).not.toContain('hunter2')
    expect(errorLines(server.log)).toEqual([])
  })

  it.each<[FaultCode, number]>([
    ['BAD_USER_INPUT', 200],
    ['UNAUTHENTICATED', 401],
    ['FORBIDDEN', 403],
    ['RATE_LIMITED', 429],
    ['OVERLOADED', 503],
    ['SERVICE_UNAVAILABLE', 503],
  ])('%s without data is HTTP %i', async (code, status) => {
    const answer = await post(await serve(failingWith(new Fault(code, 'says what to do'))), { query: '{ b }' })
    expect([answer.status, answer.errors?.[0]?.extensions['code']]).toEqual([status, code])
    expect(answer.headers.get('retry-after')).toBe(status === 503 || status === 429 ? '1' : null)
  })

  it('of the server carries the request id and is logged as a warning with its cause', async () => {
    const cause = new Error(`connect ECONNREFUSED ${secret}`)
    const server = await serve(failingWith(new Fault('SERVICE_UNAVAILABLE', 'The database is down.', { cause })))
    const { errors, headers } = await post(server, { query: '{ b }' })
    const requestId = headers.get('x-request-id')
    expect(errors).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE', requestId } }])
    const warnings = server.log.filter(({ level }) => level === 40)
    expect(warnings).toMatchObject([{ requestId, error: { message: 'The database is down.' } }])
    expect(JSON.stringify(warnings)).toContain('connect ECONNREFUSED')
  })

  it('beside data that could be read leaves the status at 200', async () => {
    const schema = schemaOf('type Query { a: String b: String }', {
      'Query.a': () => 'a',
      'Query.b': () => {
        throw new Fault('SERVICE_UNAVAILABLE', 'The database is down.')
      },
    })
    const answer = await post(await serve(schema), { query: '{ a b }' })
    expect(answer).toMatchObject({ status: 200, data: { a: 'a', b: null } })
  })

  it('can be recognised in another layer’s error', async () => {
    class LostConnection extends Error {}
    const server = await serve(failingWith(new LostConnection(secret)), {
      toFault: (error) =>
        error instanceof LostConnection
          ? new Fault('SERVICE_UNAVAILABLE', 'The database is down.', { cause: error })
          : undefined,
    })
    const answer = await post(server, { query: '{ b }' })
    expect(answer.errors).toMatchObject([
      { message: 'The database is down.', path: ['b'], extensions: { code: 'SERVICE_UNAVAILABLE' } },
    ])
  })

  it('thrown while the context is made gives its status', async () => {
    const server = await serve(failingWith(undefined), {
      createContext: () => {
        throw new Fault('UNAUTHENTICATED', 'Send a token.')
      },
    })
    const answer = await post(server, { query: '{ a }' })
    expect(answer).toMatchObject({ status: 401, errors: [{ message: 'Send a token.' }] })
  })
})

describe('several errors', () => {
  it('are told in the order of the document and of its lists, whichever came first', async () => {
    const failAfter = async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      throw new Fault('SERVICE_UNAVAILABLE', `after ${ms} ms`)
    }
    const schema = schemaOf('type Query { slow: Int items: [Item] fast: Int } type Item { wait: Int }', {
      'Query.slow': () => failAfter(60),
      'Query.items': () => [{ ms: 30 }, { ms: 20 }, { ms: 10 }],
      'Item.wait': (item) => failAfter((item as { ms: number }).ms),
      'Query.fast': () => failAfter(0),
    })
    const server = await serve(schema)
    // Compiled from the fourth run on.
    for (let run = 1; run <= 5; run += 1) {
      const { errors } = await post(server, { query: '{ slow items { wait } fast }' })
      expect(errors?.map(({ message }) => message)).toEqual([60, 30, 20, 10, 0].map((ms) => `after ${ms} ms`))
    }
  })
})
