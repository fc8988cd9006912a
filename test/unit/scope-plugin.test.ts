import SchemaBuilder from '@pothos/core'
import fc from 'fast-check'
import { execute, type ExecutionResult, parse, subscribe } from 'graphql'
import { describe, expect, it } from 'vitest'
import ScopePlugin from '../../src/graphql/scope-plugin.ts'
import { schema } from '../../src/api/schema.ts'
import { type Principal, SCOPES, type Scope } from '../../src/identity/principal.ts'
import { OPERATIONS } from '../integration/access/operations.ts'

/** Any one of these lets a caller in. What depends on an argument is asked below. */
const NEEDED: Record<string, readonly Scope[]> = {
  ...Object.fromEntries(
    ['node', 'nodes', 'user', 'users', 'checkpoint', 'checkpoints', 'checkpointHistory', 'session', 'sessions']
      .concat(['crawlPause', 'dueLists', 'searchUsers'])
      .concat(['sessionStats', 'resumePlan', 'streams', 'activity', 'checkpointChanged', 'sessionStatusChanged'])
      .map((field) => [field, ['read']] as const),
  ),
  viewer: SCOPES,
  saveCheckpoint: ['crawl'],
  heartbeat: ['crawl'],
  completeSession: ['crawl'],
  stopSession: ['crawl'],
  failSession: ['crawl'],
  registerUser: ['operate'],
  requestStop: ['operate'],
  requestStopSessions: ['operate'],
  rollbackCheckpoint: ['operate'],
  unpauseCrawl: ['operate'],
  moveCheckpoint: ['operate'],
  importCheckpoints: ['operate'],
  pruneSessions: ['operate'],
  configureStream: ['operate'],
}
const BY_ARGUMENT = ['saveCheckpoints', 'clearCheckpoint', 'startSession', 'pauseCrawl']

const callerWith = (scopes: readonly Scope[]): Principal => ({
  ...{ subject: 'key:test', scopes: new Set(scopes), userIds: 'all', expiresAt: null },
})

/** All that is reached for behind the check fails otherwise than by FORBIDDEN. */
function codeOf(query: string, variableValues: Record<string, unknown>, scopes: readonly Scope[]) {
  const contextValue = { caller: callerWith(scopes) }
  return codeFrom(execute({ schema, document: parse(query), contextValue, variableValues }))
}

async function codeFrom(running: ExecutionResult | Promise<ExecutionResult>): Promise<unknown> {
  const { errors = [] } = await running
  return (errors[0]?.originalError as { code?: unknown } | undefined)?.code
}

describe('the scope of a root field', () => {
  const operations = OPERATIONS.flatMap((operation) => fc.sample(operation, { numRuns: 1, seed: 1 }))

  it('is named here for each', () => {
    const fields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
      Object.keys(type?.getFields() ?? {}),
    )
    expect([...Object.keys(NEEDED), ...BY_ARGUMENT].sort()).toEqual(fields.sort())
  })

  it.each(operations.filter(({ field }) => !BY_ARGUMENT.includes(field)))(
    'is needed before anything is looked at: $field',
    async ({ field, query, variables }) => {
      const needed = NEEDED[field] ?? []
      for (const scope of SCOPES) {
        expect([scope, (await codeOf(query, variables, [scope])) === 'FORBIDDEN']).toEqual([
          scope,
          !needed.includes(scope),
        ])
      }
      const others = SCOPES.filter((scope) => !needed.includes(scope))
      if (field !== 'viewer') expect(await codeOf(query, variables, others)).toBe('FORBIDDEN')
    },
  )

  it.each(['checkpointChanged', 'sessionStatusChanged'])('is needed before a stream is opened: %s', async (field) => {
    const document = parse(`subscription { ${field} { cursor } }`)
    for (const scope of SCOPES.filter((other) => other !== 'read')) {
      const opened = await subscribe({ schema, document, contextValue: { caller: callerWith([scope]) } })
      expect(await codeFrom(opened as ExecutionResult)).toBe('FORBIDDEN')
    }
  })

  it('is operate for an import and crawl for other saves', async () => {
    const save = (importing: string) => `mutation { saveCheckpoints(inputs: []${importing}) { __typename } }`
    expect(await codeOf(save(''), {}, ['crawl'])).not.toBe('FORBIDDEN')
    expect(await codeOf(save(''), {}, ['read', 'operate', 'admin'])).toBe('FORBIDDEN')
    expect(await codeOf(save(', import: true'), {}, ['operate'])).not.toBe('FORBIDDEN')
    expect(await codeOf(save(', import: true'), {}, ['read', 'crawl', 'admin'])).toBe('FORBIDDEN')
  })

  it('is operate for a clear, and crawl is enough for one by its own session', async () => {
    const clear = (session: string) => `mutation { clearCheckpoint(input: { userId: "u"${session} }) { __typename } }`
    expect(await codeOf(clear(''), {}, ['operate'])).not.toBe('FORBIDDEN')
    expect(await codeOf(clear(''), {}, ['read', 'crawl', 'admin'])).toBe('FORBIDDEN')
    expect(await codeOf(clear(', sessionId: null'), {}, ['crawl'])).toBe('FORBIDDEN')
    expect(await codeOf(clear(', sessionId: "s"'), {}, ['crawl'])).not.toBe('FORBIDDEN')
    expect(await codeOf(clear(', sessionId: "s"'), {}, ['read', 'admin'])).toBe('FORBIDDEN')
  })

  it('is operate for a pause, and crawl is enough for one by its own session', async () => {
    const pause = (session: string) =>
      `mutation { pauseCrawl(input: { userId: "u", until: "2030-01-01T00:00:00Z"${session} }) { __typename } }`
    expect(await codeOf(pause(''), {}, ['operate'])).not.toBe('FORBIDDEN')
    expect(await codeOf(pause(''), {}, ['read', 'crawl', 'admin'])).toBe('FORBIDDEN')
    expect(await codeOf(pause(', sessionId: "s"'), {}, ['crawl'])).not.toBe('FORBIDDEN')
    expect(await codeOf(pause(', sessionId: "s"'), {}, ['read', 'admin'])).toBe('FORBIDDEN')
  })

  it('is crawl for a start, and operate too for one that ignores a pause', async () => {
    const start = (more: string) => `mutation { startSession(input: { userId: "u"${more} }) { __typename } }`
    expect(await codeOf(start(''), {}, ['crawl'])).not.toBe('FORBIDDEN')
    expect(await codeOf(start(''), {}, ['read', 'operate', 'admin'])).toBe('FORBIDDEN')
    expect(await codeOf(start(', ignorePause: true'), {}, ['crawl'])).toBe('FORBIDDEN')
    expect(await codeOf(start(', ignorePause: true'), {}, ['crawl', 'operate'])).not.toBe('FORBIDDEN')
  })

  it.each([
    ['user { checkpoint { stream } }', 'User.checkpoint'],
    ['user { checkpoints { stream } }', 'User.checkpoints'],
    ['user { sessions { totalCount } }', 'User.sessions'],
  ])('of what a user leads to is read, also below what another scope answers: %s', async (selection) => {
    const { errors = [] } = await execute({
      schema,
      document: parse(
        `mutation { registerUser(input: { userId: "u" }) { ... on RegisterUserSuccess { ${selection} } } }`,
      ),
      contextValue: {
        caller: callerWith(['operate']),
        database: { query: () => Promise.resolve([]), write: () => Promise.resolve([]) },
      },
    })
    expect(errors.map(({ originalError }) => (originalError as { code?: unknown }).code)).toEqual(['FORBIDDEN'])
  })
})

/** What the types of plugins that are not used here demand. */
const OTHER_PLUGINS = { prisma: { client: {} as never, dmmf: { datamodel: {} } } }

describe('a schema with a root field that names no scope', () => {
  const field = { type: 'String', resolve: () => 'told', subscribe: () => undefined }
  function build(add: (builder: ReturnType<typeof newBuilder>) => void) {
    const builder = newBuilder()
    add(builder)
    return builder.toSchema()
  }
  const newBuilder = () => {
    const builder = new SchemaBuilder<{ Context: { caller: Principal } }>({ plugins: [ScopePlugin], ...OTHER_PLUGINS })
    builder.queryType({ fields: (t) => ({ named: t.string({ scope: 'none', resolve: () => 'told' }) }) })
    builder.mutationType({})
    builder.subscriptionType({})
    return builder
  }

  it.each([
    ['Query', (builder) => builder.queryField('more', (t) => t.field(field as never))],
    ['Mutation', (builder) => builder.mutationField('more', (t) => t.field(field as never))],
    ['Subscription', (builder) => builder.subscriptionField('more', (t) => t.field(field as never))],
    ['Query', (builder) => builder.objectField('Query' as never, 'more', (t) => t.field(field as never))],
  ] satisfies [string, (builder: ReturnType<typeof newBuilder>) => void][])('is not built: %s', (type, add) => {
    expect(() => build(add)).toThrow(`${type}.more does not say which scope it needs`)
  })

  it('does not compile', () => {
    const builder = newBuilder()
    // @ts-expect-error -- scope is required
    builder.queryField('more', (t) => t.string({ resolve: () => 'told' }))
    // @ts-expect-error -- scope is required
    builder.mutationField('more', (t) => t.string({ resolve: () => 'told' }))
    // @ts-expect-error -- scope is required
    builder.subscriptionField('more', (t) => t.string({ subscribe: () => events(), resolve: () => 'told' }))
    expect(() => builder.toSchema()).toThrow('scope')
  })
})

async function* events() {
  yield await Promise.resolve('told')
}
