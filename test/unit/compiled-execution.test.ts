import {
  buildSchema,
  defaultFieldResolver,
  execute,
  isObjectType,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  parse,
  type GraphQLSchema,
  validate,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { createCompiledExecution } from '../../src/http/compiled-execution.ts'

const schema = buildSchema(`
  enum Colour { RED GREEN }
  scalar Json
  input Filter { colours: [Colour!] least: Int = 3 name: String! within: [Inner!] exact: Boolean ratio: Float any: Json }
  input Inner { colours: [Colour!] least: Int! = 3 name: String deeper: [[Int]] }
  interface Named { name: String! }
  type Dog implements Named { name: String! barks: Boolean owner: Person }
  type Person implements Named { name: String! dogs(first: Int = 2, filter: Filter): [Dog]! friend: Named strict: Person! }
  union Pet = Dog
  type Query { echo(filter: Filter, ids: [ID!], on: Boolean, size: Int, text: String, need: String!, any: Json): String
    plain(filter: Filter, ids: [ID!], on: Boolean, size: Int, text: String, colour: Colour, any: Json): String
    person: Person pets: [Pet!] fails: String failsLater: String nothing: String! later: [Person!] odd: Int many: [Int!]! }
  type Mutation { add(n: Int!): Int! }`)

/** As Pothos does: graphql-jit itself doesn't call functions that it finds where a field has no resolver. */
for (const type of Object.values(schema.getTypeMap()))
  if (isObjectType(type) && !type.name.startsWith('__'))
    for (const field of Object.values(type.getFields())) field.resolve = defaultFieldResolver

class Refusal extends Error {}
const refusal = new Refusal('not today')
const dog = { __typename: 'Dog', name: 'Rex', barks: true }
const person: object = {
  __typename: 'Person',
  name: 'Ann',
  dogs: ({ first }: { first: number }) =>
    [() => dog, () => null, () => Promise.resolve(dog), () => Promise.reject(refusal)]
      .slice(0, first)
      .map((make) => make()),
  friend: () => Promise.resolve(dog),
  strict: () => null,
}
function makeRoot() {
  let sum = 0
  const echo = (args: object) => JSON.stringify(args)
  return {
    echo,
    plain: (args: object) => Promise.resolve(echo(args)),
    person,
    pets: [dog],
    fails: () => {
      throw refusal
    },
    failsLater: () => Promise.reject(new GraphQLError('later', { extensions: { code: 'LATER' } })),
    nothing: () => Promise.resolve(null),
    later: () => Promise.resolve([person, Promise.resolve(person)]),
    odd: () => 'no number',
    many: () => new Set([1, 2]),
    add: async ({ n }: { n: number }) => {
      const before = sum
      await Promise.resolve()
      return (sum = before + n)
    },
  }
}

interface Asked {
  readonly query: string
  readonly variables?: Record<string, unknown>
  readonly operationName?: string
}
/** Compiled at once, and compiled the second time. */
const ways = [0, 1].map((runsBefore) => createCompiledExecution(schema, { runsBefore }))

async function outcomes({ query, variables, operationName }: Asked, of: GraphQLSchema = schema) {
  const document = parse(query)
  expect(validate(of, document)).toEqual([])
  const args = (): ExecutionArgs => ({
    schema: of,
    document,
    rootValue: makeRoot(),
    variableValues: variables,
    operationName,
  })
  const expected = describeResult(await execute(args()))
  const actual = []
  for (const run of ways) actual.push(describeResult(await run(args())), describeResult(await run(args())))
  return { expected, actual }
}

/** All that a client or the mask can see of it. */
function describeResult(result: ExecutionResult) {
  const errors = result.errors?.map((error) => {
    const { originalError } = error
    return { ...error.toJSON(), isGraphQLError: error instanceof GraphQLError, isRefusal: originalError === refusal }
  })
  // Which of several comes first is not said.
  return { ...result, errors: errors?.toSorted((a, b) => String(a.path).localeCompare(String(b.path))) }
}

async function expectSame(asked: Asked) {
  const { expected, actual } = await outcomes(asked)
  for (const one of actual) expect(one).toEqual(expected)
  return expected
}

describe('a compiled operation comes to what graphql-js comes to:', () => {
  it.each<[string, Asked]>([
    ['objects, lists, promises', { query: '{ person { name dogs(first: 3) { name barks } } later { name } many }' }],
    [
      'interfaces, unions, fragments, aliases, __typename',
      {
        query: `{ a: person { ...P friend { __typename ... on Dog { barks } name } } pets { ...D } }
          fragment P on Person { __typename n: name } fragment D on Dog { name }`,
      },
    ],
    ['the same field asked for twice', { query: '{ person { dogs { name } } person { name dogs { barks } } }' }],
    [
      'skip and include',
      {
        query: `query ($on: Boolean!, $off: Boolean = false) { person @include(if: $on) { name @skip(if: $off) ...P @skip(if: $on) dogs { name } }
          ... @include(if: $off) { fails } } fragment P on Person { dogs { barks } }`,
        variables: { on: true },
      },
    ],
    ['one of several operations', { query: 'query A { fails } query B { person { name } }', operationName: 'B' }],
    ['mutations in order', { query: 'mutation { a: add(n: 1) b: add(n: 2) c: add(n: 4) }' }],
    ['literal arguments, their defaults', { query: '{ plain(filter: { name: "x", colours: RED }, ids: [1, "b"]) }' }],
    ['introspection', { query: '{ __schema { types { name fields { name args { defaultValue } } } } }' }],
    ['a null that may not be', { query: '{ person { name strict { name } } }' }],
    ['a null that may not be, at the root', { query: '{ a: fails nothing }' }],
    ['what does not fit its type', { query: '{ odd }' }],
    [
      'a null variable in place of a default',
      { query: 'query ($t: String = "a") { echo(need: $t) }', variables: { t: null } },
    ],
    ['nothing in place of a default', { query: 'query ($t: String = "a") { echo(need: $t) }' }],
  ])('%s', async (_, asked) => {
    await expectSame(asked)
  })

  it('errors, with what was thrown, their extensions and their places', async () => {
    const query = '{\n  fails\r\n  x: failsLater person {\r dogs(first: 4) { name } } }'
    const { errors } = await expectSame({ query })
    expect(errors).toMatchObject([
      { path: ['fails'], locations: [{ line: 2, column: 3 }], isRefusal: true },
      { path: ['person', 'dogs', 3], isRefusal: true },
      { path: ['x'], locations: [{ line: 3, column: 3 }], extensions: { code: 'LATER' } },
    ])
  })

  it('variables of every kind, that fit and that do not', { timeout: 60_000 }, async () => {
    const query = `query ($filter: Filter, $ids: [ID!], $on: Boolean, $size: Int, $text: String, $colour: Colour, $any: Json) {
      plain(filter: $filter, ids: $ids, on: $on, size: $size, text: $text, colour: $colour, any: $any) }`
    const values = [
      ...[undefined, null, 0, 1, -0, 1.5, 2 ** 31, 1e300, '', '1', 'RED', 'GREEN', 'BLUE', true, false, [], {}],
      ...[
        [null],
        ['RED'],
        [['RED']],
        [1, 'b', 2.5],
        { name: 'x' },
        { name: null },
        { name: 'x', other: 1 },
        [{ name: 'x' }],
      ],
    ]
    const filters = [
      ...values,
      ...['colours', 'least', 'name', 'within', 'exact', 'ratio', 'any'].flatMap((key) =>
        values.map((value) => ({ name: 'x', [key]: value })),
      ),
      {
        name: 'x',
        within: [
          { name: 'y', least: null },
          { name: 'z', deeper: [[1], null, 2, ['x']] },
        ],
      },
    ]
    let refused = 0
    const names = ['ids', 'on', 'size', 'text', 'colour', 'any']
    const asked = [
      ...filters.map((filter) => ({ filter })),
      ...names.flatMap((name) => values.map((value) => ({ [name]: value }))),
    ]
    // As JSON brings them.
    for (const variables of JSON.parse(JSON.stringify(asked)) as Record<string, unknown>[]) {
      const { errors } = await expectSame({ query, variables })
      if (errors !== undefined) refused += 1
    }
    expect(refused).toBeGreaterThan(100)
    expect(asked.length - refused).toBeGreaterThan(100)
  })
})

/** Of so many runs, those that graphql-js executed. */
async function executed(query: string, runs: readonly (string | undefined)[]): Promise<boolean[]> {
  const stacks: string[] = []
  const rootValue = {
    person: () => {
      stacks.push(new Error('where').stack ?? '')
      return person
    },
  }
  const run = createCompiledExecution(schema)
  const document = parse(query)
  expect(validate(schema, document)).toEqual([])
  for (const operationName of runs) await run({ schema, document, rootValue, operationName })
  return stacks.map((stack) => stack.includes('at executeField'))
}

describe('what is compiled', () => {
  it('is an operation that has run often enough, and none beside it', async () => {
    const query = 'query A { person { name } } query B { person { name } }'
    expect(await executed(query, ['A', 'A', 'A', 'A', 'A', 'B'])).toEqual([true, true, true, false, false, true])
  })

  const many = (count: number, text: (place: number) => string) =>
    Array.from({ length: count }, (_, place) => text(place))
  it.each([
    ['fields', `{ person { ${many(100, (place) => `a${place}: name`).join(' ')} } }`],
    [
      'fields by fragments of fragments, 4 to the power of 20',
      `{ person { ...F0 } } fragment F20 on Person { name } ${many(20, (place) => `fragment F${place} on Person { ${many(4, (alias) => `a${alias}: strict { ...F${place + 1} }`).join(' ')} }`).join(' ')}`,
    ],
    [
      'fragments of nothing but fragments',
      `{ person { ...F0 } } fragment F30 on Person { name } ${many(30, (place) => `fragment F${place} on Person { ...F${place + 1} ...F${place + 1} }`).join(' ')}`,
    ],
    [
      'variables',
      `query (${many(11, (place) => `$v${place}: Int`).join(' ')}) { person { ${many(11, (place) => `a${place}: dogs(first: $v${place}) { name }`).join(' ')} } }`,
    ],
  ])('is nothing of so many %s that it would take long, and much memory', async (_, query) => {
    expect(
      await executed(
        query,
        many(5, () => '').map(() => undefined),
      ),
    ).toEqual(many(5, () => '').map(() => true))
  })
})

it('takes no schema with an input type that contains itself: graphql-jit would compile it for ever', () => {
  const recursive = buildSchema('input A { b: [B!] } input B { n: Int a: A } type Query { a(a: A): Int }')
  expect(() => createCompiledExecution(recursive)).toThrow('input type A contains itself')
})
