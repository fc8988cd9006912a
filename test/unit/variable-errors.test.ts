import { buildSchema, getOperationAST, parse } from 'graphql'
import { expect, it } from 'vitest'
import { findVariableErrors, hasLargeObject } from '../../src/operations/variables/variable-errors.ts'

const schema = buildSchema(`
  scalar Odd
  enum Colour { RED }
  input Thing { name: String! size: Int colour: Colour things: [Thing!] odd: Odd }
  type Query { a(thing: Thing, size: Int, ids: [ID!], on: Boolean, ratio: Float, colours: [Colour!]): Int }`)
const secret = 'secret-3fa9'

function told(definitions: string, variables: Record<string, unknown>): string[] {
  const operation = getOperationAST(parse(`query (${definitions}) { a }`))
  if (!operation) throw new Error('no operation')
  return findVariableErrors(schema, operation, variables).map(({ message }) => message)
}

it.each([
  [
    '$size: Int',
    { size: secret },
    'Variable "$size" has a value that does not fit: Int cannot represent non-integer value.',
  ],
  [
    '$size: Int',
    { size: 1e12 },
    'Variable "$size" has a value that does not fit: Int cannot represent non 32-bit signed integer value.',
  ],
  [
    '$on: Boolean',
    { on: secret },
    'Variable "$on" has a value that does not fit: Boolean cannot represent a non boolean value.',
  ],
  [
    '$ratio: Float',
    { ratio: secret },
    'Variable "$ratio" has a value that does not fit: Float cannot represent non numeric value.',
  ],
  [
    '$ids: [ID!]',
    { ids: ['1', { secret }] },
    'Variable "$ids" has a value at "ids[1]" that does not fit: ID cannot represent value.',
  ],
  [
    '$colours: [Colour!]',
    { colours: [secret] },
    'Variable "$colours" has a value at "colours[0]" that does not fit: it does not exist in "Colour" enum.',
  ],
  [
    '$colours: [Colour!]',
    { colours: [7] },
    'Variable "$colours" has a value at "colours[0]" that does not fit: Enum "Colour" cannot represent non-string value.',
  ],
  [
    '$thing: Thing',
    { thing: secret },
    'Variable "$thing" has a value that does not fit: Expected type "Thing" to be an object.',
  ],
  [
    '$thing: Thing',
    { thing: { name: null } },
    'Variable "$thing" has a value at "thing.name" that does not fit: Expected non-nullable type "String!" not to be null.',
  ],
  [
    '$thing: Thing',
    { thing: {} },
    'Variable "$thing" has a value that does not fit: Field "name" of required type "String!" was not provided.',
  ],
  [
    '$thing: Thing',
    { thing: { name: 'a', [secret]: secret } },
    'Variable "$thing" has a value that does not fit: it has a field that "Thing" does not have.',
  ],
  [
    '$thing: Thing',
    { thing: { name: 'a', things: [{ name: { secret } }] } },
    'Variable "$thing" has a value at "thing.things[0].name" that does not fit: String cannot represent a non string value.',
  ],
  ['$thing: Thing!', {}, 'Variable "$thing" of required type "Thing!" was not provided.'],
  ['$thing: Thing!', { thing: null }, 'Variable "$thing" of required type "Thing!" must not be null.'],
])('of %s it is told what does not fit, and never a value', (definitions, variables, message) => {
  expect(told(definitions, variables)).toEqual([message])
})

it('nothing is told of what fits, is left out with a default, or may be null', () => {
  expect(told('$thing: Thing, $size: Int! = 3, $on: Boolean', { thing: { name: 'a', size: null }, on: null })).toEqual(
    [],
  )
})

it('at most 50 are told, and one that says that there are more', () => {
  const messages = told('$ids: [ID!]', { ids: Array.from({ length: 1_000 }, () => ({ secret })) })
  expect(messages).toHaveLength(51)
  expect(messages.at(-1)).toBe('The variables have more errors: correct these 50 first.')
})

it('no more values are looked at than are told: 500,000 wrong ones held the server up for half a minute', () => {
  let looks = 0
  const ids = new Proxy(Array<unknown>(500_000).fill({}), {
    get(items, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) looks += 1
      return Reflect.get(items, key, receiver) as unknown
    },
  })
  expect(told('$ids: [ID!]', { ids })).toHaveLength(51)
  expect(looks).toBeLessThan(100)
})

it.each<[string, unknown, boolean]>([
  ['a value', 'a', false],
  ['lists of inputs', [{ a: 1 }, { b: [{ c: null }] }], false],
  ['an object of 50 members', Object.fromEntries(Array.from({ length: 50 }, (_, place) => [place, 1])), false],
  ['an object of 51 members', Object.fromEntries(Array.from({ length: 51 }, (_, place) => [place, 1])), true],
  ['one in another', [{ a: { b: Object.fromEntries(Array.from({ length: 51 }, (_, place) => [place, 1])) } }], true],
])('an object with more members than any input has is found before graphql-js repeats it: %s', (_, value, isLarge) => {
  expect(hasLargeObject(value)).toBe(isLarge)
})
