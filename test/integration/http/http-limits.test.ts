import {
  getIntrospectionQuery,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
} from 'graphql'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { transports } from './transports.ts'
import { isOfOperations } from '../../support/statement-count.ts'

const times = (count: number, make: (n: number) => string) => Array.from({ length: count }, (_, n) => make(n)).join(' ')
const nested = (levels: number): string => (levels === 0 ? 'userId' : `user { ${nested(levels - 1)} }`)
/** Eleven below the root. */
const deepest = `sessions { nodes { user { sessions(first: 1) { nodes { user { sessions(first: 1) { nodes { user { userId } } } } } } } } }`
const sessions = (body: string) => `sessions(first: 100) { nodes { ${body} } }`
/** Without a memory of fragments already seen, each level doubles the work. */
const doubling = `{ users { nodes { ...F0 } } } ${times(
  40,
  (n) => `fragment F${n} on User { checkpoint { user { ...F${n + 1} } } checkpoint { user { ...F${n + 1} } } }`,
)} fragment F40 on User { id }`

/** What, a document, what its refusal says, and its variables. */
type Probe = readonly [what: string, query: string, message: RegExp, variables: Record<string, unknown> | undefined]

const probes = [
  ['tokens', `{ ${'viewer '.repeat(2_000)} }`, /more than 2000 tokens, .*send values as variables/],
  ['tokens of values', `{ nodes(ids: [${'"x" '.repeat(2_000)}]) { id } }`, /more than 2000 tokens/],
  [
    'depth',
    `{ users { nodes { checkpoint { ${nested(10)} } } } }`,
    /nests 14 fields, and 12 is the most: select the deeper fields/,
  ],
  [
    'depth through fragments',
    `{ users { nodes { ...A } } } fragment A on User { checkpoint { user { ...B } } } fragment B on User { checkpoint {
      user { checkpoint { user { checkpoint { user { checkpoint { user { checkpoint { id } } } } } } } } } }`,
    /nests 14 fields, and 12/,
  ],
  ['fragments that double', doubling, /nests 83 fields, and 12/],
  [
    'fragments in a circle',
    '{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }',
    /itself/,
  ],
  ['aliases', `{ ${times(51, (n) => `a${n}: __typename`)} }`, /has 51 aliases, and 50 is the most: send/],
  ['aliases far apart', `{ viewer { ${times(51, (n) => `a${n}: subject`)} } }`, /has 51 aliases/],
  ['directives', `{ ${times(51, () => `viewer @skip(if: false) { scopes }`)} }`, /has 51 directives, and 50/],
  ['directives at one place', `{ viewer ${'@a'.repeat(6)} { subject } }`, /has 6 directives at one place, and 5 is/],
  ['root fields', `{ ${times(21, () => 'viewer { subject }')} }`, /has 21 root fields in one operation, and 20 is/],
  [
    'root fields in a fragment',
    `{ ...A } fragment A on Query { ${times(21, (n) => `a${n}: viewer { subject }`)} }`,
    /has 21 root fields/,
  ],
  [
    'branches',
    `{ user(userId: "a") { ${'checkpoint { id } '.repeat(150)} } }`,
    /has 151 fields with fields of their own/,
  ],
  [
    'objects',
    `{ users(first: 100) { nodes { ${sessions(`user { ${sessions('id')} }`)} } } }`,
    /could answer 1030201 objects, and 50000 is the most: ask for smaller pages/,
  ],
  [
    'objects of edges, backward',
    `{ users(last: 100) { edges { node { sessions(last: 100) { edges { node { checkpoint { id } user { id }
      resumedFrom { id } } } } } } } }`,
    /could answer 50301 objects/,
  ],
  [
    'objects of default pages',
    `{ users { nodes { sessions { nodes { user { sessions { nodes { user { sessions { nodes { id } } } } } } } } } } }`,
    /could answer 185241 objects/,
  ],
  [
    'objects by aliases',
    `{ ${times(3, (n) => `a${n}: users(first: 100) { nodes { ${sessions('checkpoint { id }')} } }`)} }`,
    /could answer 60603 objects/,
  ],
  [
    'objects by variables',
    `query ($n: Int, $m: Int = 100) { users(first: $n) { nodes { sessions(last: $m) { nodes {
      user { sessions(first: $n) { nodes { id } } } } } } } }`,
    /could answer 1030201 objects/,
    { n: 100 },
  ],
  [
    'objects of a subscription',
    `subscription { sessionStatusChanged { session { user { ${sessions(`user { ${sessions(`user { ${sessions('id')} }`)} }`)} } } } }`,
    /could answer 1030\d+ objects/,
  ],
  [
    'objects that a mutation answers',
    `mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { ... on SaveCheckpointSuccess {
      checkpoint { user { ${sessions('id')} } } } } }`,
    /could answer \d+ objects/,
    { inputs: Array.from({ length: 500 }, () => ({ userId: 'a', itemId: '20' })) },
  ],
  ['items of a page', '{ users(first: 101) { nodes { id } } }', /must not be above 100: ask for the next page/],
  ['items of a page, backward', '{ users(last: 101) { nodes { id } } }', /must not be above 100/],
  [
    'nodes',
    'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    /100/,
    { ids: Array.from({ length: 101 }, () => btoa('User:a')) },
  ],
  [
    'saves',
    'mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }',
    /10001 are too many; send at most 10000/,
    { inputs: Array.from({ length: 10_001 }, () => ({ userId: 'a', itemId: '20' })) },
  ],
] satisfies readonly (readonly [string, string, RegExp, Record<string, unknown>?])[]

describe.each(Object.entries(transports))('over %s', (_, ask) => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(() => () => {
    vi.restoreAllMocks()
  })

  /** Statements of requests, and calls of subscribe(), from now on. */
  function watchWork() {
    const statements = vi.spyOn(pg.Client.prototype, 'query')
    const fields = Object.values(schema.getSubscriptionType()?.getFields() ?? {})
    const subscribes = fields.map((field) => vi.spyOn(field, 'subscribe'))
    return () => [
      ...statements.mock.calls
        .map(([first]: unknown[]) => (typeof first === 'string' ? first : (first as { text: string }).text))
        .filter((text) => isOfOperations(text) && !/clock_timestamp/.test(text)),
      ...subscribes.flatMap((spy) => spy.mock.calls),
    ]
  }

  it.each<Probe>(probes.map(([what, query, message, variables]) => [what, query, message, variables]))(
    'refuses too many %s, says what to do, and does nothing',
    async (__, query, message, variables) => {
      const work = watchWork()
      const { data, errors } = await ask(waymark.url, query, variables)
      expect(data ?? null).toBeNull()
      expect(errors?.[0]?.message).toMatch(message)
      expect(errors?.every(({ extensions }) => extensions['code'] === 'BAD_USER_INPUT')).toBe(true)
      expect(work()).toEqual([])
    },
  )

  it.each([
    ['GraphiQL’s introspection', getIntrospectionQuery({ inputValueDeprecation: true, schemaDescription: true })],
    [
      'users with sessions and checkpoints',
      '{ users(first:100){nodes{checkpoint{lastItemId} sessions(first:5){nodes{status checkpoint{lastItemId}}}}} }',
    ],
    ['the largest two pages', `{ users(first: 100) { nodes { ${sessions('checkpoint { id }')} } } }`],
    ['as deep as may be', `{ node(id: "x") { ... on User { checkpoint { ${nested(1)} } ${deepest} } } }`],
    ['50 aliases', `{ viewer { ${times(50, (n) => `a${n}: subject`)} } }`],
    ['20 root fields', `{ ${times(20, () => 'viewer { subject }')} }`],
    ['a page that is none', '{ users(first: null) { nodes { id } } }'],
  ])('answers %s', async (__, query) => {
    expect(await ask(waymark.url, query)).toMatchObject({ data: expect.any(Object) as object })
  })

  it('answers 10,000 saves with their checkpoint and session', async () => {
    const { data, errors } = await ask(
      waymark.url,
      `mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename
        ... on SaveCheckpointSuccess { checkpoint { version } session { status } }
        ... on InvalidInputError { issues { message } } } }`,
      { inputs: Array.from({ length: 10_000 }, () => ({ userId: 'nobody', itemId: '20' })) },
    )
    expect(errors).toBeUndefined()
    expect(data?.['saveCheckpoints']).toHaveLength(10_000)
  })

  it.each([
    ['that cannot be read', 'subscription { sessionStatusChanged { kind }'],
    ['of a field that is not there', 'subscription { sessionStatusChange { kind } }'],
    ['of an event’s field that is not there', 'subscription { sessionStatusChanged { kin } }'],
    [
      'whose variable has no such type',
      'subscription ($after: Strin) { sessionStatusChanged(after: $after) { kind } }',
      { after: 'x' },
    ],
    [
      'whose variable is of another type',
      'subscription ($after: String) { sessionStatusChanged(after: $after) { kind } }',
      { after: 12 },
    ],
    ['whose variable is missing', 'subscription ($on: Boolean!) { sessionStatusChanged { kind @include(if: $on) } }'],
    ['of two fields', 'subscription { a: sessionStatusChanged { kind } b: sessionStatusChanged { kind } }'],
  ])('opens no feed for a subscription %s', async (__, query, variables?: Record<string, unknown>) => {
    const work = watchWork()
    const { data, errors = [] } = await ask(waymark.url, query, variables)
    expect(data ?? null).toBeNull()
    expect(errors.map(({ extensions }) => extensions['code'])).toEqual(errors.map(() => 'BAD_USER_INPUT'))
    expect(errors).not.toEqual([])
    expect(work()).toEqual([])
  })

  it.each([
    ['a field', '{ viewers { subject } }'],
    ['an argument', '{ user(userID: "a") { id } }'],
    ['a type', '{ node(id: "x") { ... on Usr { id } } }'],
    ['a fragment’s type', '{ node(id: "x") { ...F } } fragment F on Usr { id }'],
    ['an enum value', '{ checkpoints(filter: { platform: TWITER }) { totalCount } }'],
    [
      'a variable’s enum value',
      'query ($p: Platform) { checkpoints(filter: { platform: $p }) { totalCount } }',
      { p: 'TWITER' },
    ],
    [
      'a variable’s field',
      'query ($f: CheckpointFilter) { checkpoints(filter: $f) { totalCount } }',
      { f: { userID: 'a' } },
    ],
    ['a directive', '{ viewer @skp(if: true) { subject } }'],
    ['a field without fields', '{ viewer }'],
  ])('does not guess what was meant by %s', async (__, query, variables?: Record<string, unknown>) => {
    const work = watchWork()
    const { errors = [] } = await ask(waymark.url, query, variables)
    expect(work()).toEqual([])
    expect(errors.length).toBeGreaterThan(0)
    for (const { message } of errors) expect(message).toMatch(/^(?!.*did you mean).*[.)]$/is)
  })
  it('does not tell the schema where it is off, and everything else', async () => {
    await using closed = await startWaymark({ INTROSPECTION: '0' })
    for (const query of [
      '{ __schema { types { name } } }',
      '{ ...A } fragment A on Query { viewer { subject } t: __type(name: "User") { name } }',
    ]) {
      const { data, errors } = await ask(closed.url, query)
      expect(data ?? null).toBeNull()
      expect(errors).toMatchObject([
        {
          message: expect.stringMatching(/^Introspection is off here: .*INTROSPECTION=1\.$/) as string,
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ])
    }
    expect(await ask(closed.url, '{ __typename viewer { subject } }')).toMatchObject({
      data: { __typename: 'Query', viewer: { subject: 'local' } },
    })
  })
})

describe('what a list costs', () => {
  it('is known of every list: by its page, by its argument, by what its field says, or by default where it is short', () => {
    const objects = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .filter(({ name }) => !name.startsWith('__'))
    const unsized = objects.flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => isListType(getNullableType(field.type)) && isCompositeType(getNamedType(field.type)))
        .filter((field) => field.extensions['pricedItems'] === undefined && !type.name.endsWith('Connection'))
        .filter((field) => !field.args.some((argument) => isListType(getNullableType(argument.type))))
        .map((field) => `${type.name}.${field.name}`),
    )
    expect(unsized.sort()).toEqual(['MoveCheckpointSuccess.moved', 'Query.streams', 'User.checkpoints'])
  })
})
