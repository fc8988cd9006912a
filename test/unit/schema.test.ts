import { readFileSync } from 'node:fs'
import {
  buildSchema,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { printApi, schema } from '../../src/api/schema.ts'

interface Described {
  /** For example Query.user(userId:) */
  readonly place: string
  readonly description: string | null | undefined
}

/** The schema, and all in it that a reader meets: types, fields, arguments, input fields and enum values. */
function partsOf(api: GraphQLSchema): Described[] {
  const types = Object.values(api.getTypeMap()).filter(({ name }) => !name.startsWith('__') && !isBuiltIn(name))
  return [{ place: 'schema', description: api.description }, ...types.flatMap(partsOfType)]
}

function isBuiltIn(name: string): boolean {
  return ['ID', 'String', 'Int', 'Float', 'Boolean'].includes(name)
}

function partsOfType(type: GraphQLNamedType): Described[] {
  const parts: Described[] = [{ place: type.name, description: type.description }]
  const add = (place: string, { description }: { readonly description?: string | null | undefined }) =>
    parts.push({ place: `${type.name}.${place}`, description })
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      add(field.name, field)
      for (const argument of field.args) add(`${field.name}(${argument.name}:)`, argument)
    }
  }
  if (isInputObjectType(type)) for (const field of Object.values(type.getFields())) add(field.name, field)
  if (isEnumType(type)) for (const value of type.getValues()) add(value.name, value)
  return parts
}

/** The parts whose description is missing, or is no text of sentences: a capital (or a name in `code`) to a full stop. */
function badlyDescribed(api: GraphQLSchema): string[] {
  return partsOf(api)
    .filter(({ description }) => !/^[A-Z`"].*\.$/s.test(description ?? ''))
    .map(({ place, description }) => `${place}: ${description ?? 'no description'}`)
}

describe('schema.graphql', () => {
  it('is what the code prints (npm run schema writes it anew)', () => {
    expect(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')).toBe(printApi())
  })
})

describe('the descriptions of the API', () => {
  it('tell of the schema, each type, field, argument, input field and enum value, in sentences', () => {
    expect(partsOf(schema).length).toBeGreaterThan(400)
    expect(badlyDescribed(schema)).toEqual([])
  })

  it('are printed with it', () => {
    expect(badlyDescribed(buildSchema(printApi()))).toEqual([])
  })

  it('fail this test where one is missing, begins with a lower-case word or lacks its full stop', () => {
    const api = buildSchema(`
      type Query { "the lower case." lower(argument: Int): Color, "No stop" open(input: Wish): Int }
      "A colour." enum Color { RED }
      "A wish." input Wish { name: String }
    `)
    expect(badlyDescribed(api)).toEqual([
      'schema: no description',
      'Query: no description',
      'Query.lower: the lower case.',
      'Query.lower(argument:): no description',
      'Query.open: No stop',
      'Query.open(input:): no description',
      'Color.RED: no description',
      'Wish.name: no description',
    ])
  })
})
