import {
  buildSchema,
  defaultFieldResolver,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  isObjectType,
  isScalarType,
  validate,
} from 'graphql'
import { compileQuery, isCompiledQuery } from 'graphql-jit'
import { describe, expect, it } from 'vitest'
import { isCompilable } from '../../src/operations/compiled/compilable.ts'
import { createCompiledExecution } from '../../src/operations/compiled/compiled-execution.ts'
import { parseTokens } from '../../src/limits/parse-tokens.ts'
import { formatError } from '../../src/operations/results/result-text.ts'

const schema = buildSchema(`
  enum Colour { RED GREEN }
  scalar Json
  scalar Time
  input Filter { colours: [Colour!] least: Int = 3 name: String! within: [Inner!] exact: Boolean ratio: Float any: Json }
  input Inner { colours: [Colour!] least: Int! = 3 name: String deeper: [[Int]] }
  interface Named { name: String! }
  type Dog implements Named { name: String! barks: Boolean owner: Person }
  type Person implements Named { name: String! dogs(first: Int = 2, filter: Filter): [Dog]! friend: Named strict: Person! fails: Int! }
  union Pet = Dog
  type Query { which: String echo(filter: Filter, ids: [ID!], on: Boolean, size: Int, text: String, need: String!, any: Json): String
    plain(filter: Filter, inner: Inner, ids: [ID!], on: Boolean, size: Int, text: String, colour: Colour, any: Json): String
    since(time: Time, need: String! = "a"): String
    person: Person pets: [Pet!] fails: String failsLater: String nothing: String! later: [Person!] odd: Int many: [Int!]! }
  type Mutation { add(n: Int!): Int! fail: Int! change: Person }`)

for (const type of Object.values(schema.getTypeMap())) {
  // As Pothos does: graphql-jit itself doesn't call functions that it finds where a field has no resolver.
  if (isObjectType(type) && !type.name.startsWith('__'))
    for (const field of Object.values(type.getFields())) {
      field.resolve = field.name === 'which' ? (_root, _args, _context, info) => info.fieldName : defaultFieldResolver
    }
  if (isScalarType(type) && type.name === 'Time') {
    type.parseLiteral = (node) => new Date('value' in node ? String(node.value) : Number.NaN)
  }
}

class Refusal extends Error {}
const refusal = new Refusal('not today')
const dog = { __typename: 'Dog', name: 'Rex', barks: true }
const person: object = {
  __typename: 'Person',
  name: 'Ann',
  dogs: ({ first }: { first: number }) =>
    [() => dog, () => null, () => Promise.resolve(dog), () => Promise.reject(refusal), () => dog]
      .slice(0, first)
      .map((make) => make()),
  friend: () => Promise.resolve(dog),
  strict: () => null,
  fails: () => Promise.reject(refusal),
}
function makeRoot() {
  let sum = 0
  const echo = (args: object) => JSON.stringify(args)
  return {
    echo,
    plain: (args: object) => Promise.resolve(echo(args)),
    since: ({ time }: { time?: Date }) => time?.toISOString(),
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
    fail: () => Promise.reject(refusal),
    change: () => person,
  }
}

interface Asked {
  readonly query: string
  readonly variables?: Record<string, unknown>
  readonly operationName?: string
}
/** Compiled at once, and compiled the second time. */
const ways = [0, 1].map((runsBefore) => createCompiledExecution(schema, { runsBefore }))

function argsOf({ query, variables, operationName }: Asked): ExecutionArgs {
  const document = parseTokens(query)
  expect(validate(schema, document)).toEqual([])
  return { schema, document, rootValue: makeRoot(), variableValues: variables, operationName }
}

function isCompiled({ query, operationName }: Asked): boolean {
  const document = parseTokens(query)
  const operation = getOperationAST(document, operationName)
  return operation != null && isCompilable(document, operation)
}

/** All that a client or the mask can see of it. */
function describeResult(result: ExecutionResult) {
  const errors = result.errors?.map((error) => {
    const { originalError } = error
    return {
      ...formatError(error),
      isGraphQLError: error instanceof GraphQLError,
      isRefusal: originalError === refusal,
    }
  })
  return JSON.stringify({ ...result, errors })
}

async function expectSame(asked: Asked) {
  const args = argsOf(asked)
  const result = await execute(args)
  for (const run of [...ways, ...ways]) {
    expect(describeResult(await run({ ...args, rootValue: makeRoot() }))).toBe(describeResult(result))
  }
  return result
}

describe('a compiled operation answers what graphql-js answers:', () => {
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
    ['one of several operations', { query: 'query A { fails } query B { person { name } }', operationName: 'B' }],
    ['a mutation', { query: 'mutation ($n: Int!) { a: add(n: $n) }', variables: { n: 2 } }],
    ['literal arguments, their defaults', { query: '{ plain(filter: { name: "x", colours: RED }, ids: [1, "b"]) }' }],
    [
      'variables in lists and objects',
      {
        query: 'query ($n: String!, $i: ID!) { plain(filter: {name: $n}, ids: [$i, "b"]) }',
        variables: { n: 'a', i: 1 },
      },
    ],
    ['a null that may not be', { query: '{ person { name strict { name } } }' }],
    ['a null that may not be, at the root', { query: '{ nothing }' }],
    ['several errors, in their order', { query: '{ person { fails } failsLater fails }' }],
    ['several errors below one null', { query: '{ person { a: fails b: fails } }' }],
    ['an item of a list that fails before another', { query: '{ person { dogs(first: 5) { name } } }' }],
    ['what does not fit its type', { query: '{ odd }' }],
    ['[] for an input object', { query: 'query ($i: Inner) { plain(inner: $i) }', variables: { i: [] } }],
    [
      '[] for an input object in another',
      {
        query: 'query ($f: Filter!) { plain(filter: $f) }',
        variables: { f: { name: 'a', within: [{ name: 'b' }, []] } },
      },
    ],
  ])('%s', async (_, asked) => {
    expect(isCompiled(asked)).toBe(true)
    await expectSame(asked)
  })

  it.each(['{\n  fails\r\n}', '{\n  person {\r\n\r\n a: name fails } }', '{ x: failsLater }'])(
    'errors, with what was thrown, their extensions and their places: %j',
    async (query) => {
      expect(isCompiled({ query })).toBe(true)
      const { errors } = await expectSame({ query })
      expect(errors).toHaveLength(1)
    },
  )

  it('variables of every kind, that fit and that do not', { timeout: 60_000 }, async () => {
    const query = `query ($filter: Filter, $ids: [ID!], $on: Boolean, $size: Int, $text: String, $colour: Colour, $any: Json) {
      plain(filter: $filter, ids: $ids, on: $on, size: $size, text: $text, colour: $colour, any: $any) }`
    expect(isCompiled({ query })).toBe(true)
    const values = [
      ...[undefined, null, 0, 1, -0, 1.5, 2 ** 31, 1e300, '', '1', 'RED', 'GREEN', 'BLUE', true, false, [], {}],
      ...[[null], ['RED'], [['RED']], [[]], [1, 'b', 2.5], { name: 'x' }, { name: null }, { name: 'x', other: 1 }],
      [{ name: 'x' }],
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

/** An object with a member of that name and no prototype to lose, as JSON.parse makes it. */
const proto = (value: unknown) => JSON.parse(JSON.stringify({ ['__proto__']: value })) as Record<string, unknown>

describe('not compiled, since graphql-jit answers otherwise, is', () => {
  it.each<[string, Asked]>([
    [
      'a fragment that is spread plainly and under a condition',
      {
        query: `query ($d: Boolean!) { person { ...D @include(if: $d) ...H } }
          fragment H on Person { name } fragment D on Person { ...H friend { name } }`,
        variables: { d: false },
      },
    ],
    [
      'a field that is asked for plainly and under a condition',
      {
        query: `query ($d: Boolean!) { person { name } person @include(if: $d) { ...F } } fragment F on Person { fails }`,
        variables: { d: false },
      },
    ],
    ['a default of a type of ours', { query: 'query ($t: Time = "2026-11-01T00:00:00Z") { since(time: $t) }' }],
    [
      'null for a default that may not be null',
      { query: 'query ($t: String = "a") { since(need: $t) }', variables: { t: null } },
    ],
    [
      'a variable that was left out of an object',
      { query: 'query ($l: Int) { plain(filter: {name: "a", least: $l}) }' },
    ],
    [
      'a variable named __proto__',
      { query: 'query ($__proto__: Int) { plain(size: $__proto__) }', variables: proto(1) },
    ],
    ['an answer’s key named __proto__', { query: '{ __proto__: __typename }' }],
    ['two keys that are one once joined', { query: '{ b_a: which a: person { b: name } }' }],
    [
      'a text with a mark that graphql-jit makes code of',
      { query: '{ plain(text: "__MAGIC_DATE__33a9e76d_02e0_4128_8e92_3530ad3da74d(globalThis.ran = true, 0)") }' },
    ],
    ['a mutation after one that failed', { query: 'mutation { fail add(n: 1) }' }],
    ['a mutation with arguments below its root', { query: 'mutation { change { dogs(first: 5) { name } } }' }],
  ])('%s', async (_, asked) => {
    expect(isCompiled(asked)).toBe(false)
    const result = await expectSame(asked)
    const args = argsOf(asked)
    const compiled = compileQuery(schema, args.document)
    if (!isCompiledQuery(compiled)) throw new Error('graphql-jit cannot compile it')
    const calls: string[] = []
    const told = await compiled.query(watchCalls(makeRoot(), calls), {}, asked.variables)
    const rightCalls: string[] = []
    await execute({ ...args, rootValue: watchCalls(makeRoot(), rightCalls) })
    const summary = ({ data, errors }: ExecutionResult) =>
      JSON.stringify([data, errors?.map(({ message, originalError }) => [message, originalError?.name])])
    expect([summary(told), calls]).not.toEqual([summary(result), rightCalls])
    expect(globalThis).not.toHaveProperty('not ran')
  })
})

describe('what is compiled', () => {
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
    const { document } = argsOf({ query })
    for (const operationName of runs) await run({ schema, document, rootValue, operationName })
    return stacks.map((stack) => stack.includes('at executeField'))
  }

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

it('takes no schema with two fields that graphql-jit would not tell apart', () => {
  const equal = buildSchema('type Query { a: A ab: Ab } type A { bc: Int } type Ab { c: Int }')
  expect(() => createCompiledExecution(equal)).toThrow('Ab.c and A.bc have the same resolver')
})

/** The same root, with the names of what is called noted. */
function watchCalls(root: object, calls: string[]): object {
  const entries = Object.entries(root) as [string, unknown][]
  const watched = entries.map(([name, value]): [string, unknown] => {
    if (typeof value !== 'function') return [name, value]
    return [
      name,
      (...args: unknown[]): unknown => {
        calls.push(name)
        return Reflect.apply(value, root, args)
      },
    ]
  })
  return Object.fromEntries(watched)
}
