import { readFileSync } from 'node:fs'
import {
  buildSchema,
  findBreakingChanges,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLSchema,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql'
import { describe, expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const parts = ['core', 'crawl', 'streaming', 'lists'].map((part) => read(`test/data/contract/${part}.graphql`))
const contract = buildSchema(parts.join('\n'))
const served = read('schema.graphql')

/** What a client of the first can no longer rely on where the second is served. */
function brokenPromises(promised: GraphQLSchema, given: GraphQLSchema): string[] {
  const changes = findBreakingChanges(promised, given).map(({ description }) => description)
  // Of another default graphql-js speaks as of a dangerous change only; here it is one.
  const defaults = defaultsOf(given)
  for (const [place, value] of defaultsOf(promised)) {
    const other = defaults.get(place)
    if (other !== undefined && other !== value) changes.push(`${place} defaults to ${other}, not to ${value}.`)
  }
  return changes
}

/** By argument or input field, `User.checkpoint(stream:)` or `CheckpointFilter.userId`. */
function defaultsOf(schema: GraphQLSchema): Map<string, string> {
  const defaults = new Map<string, string>()
  const note = (place: string, { defaultValue }: GraphQLArgument | GraphQLInputField) =>
    defaults.set(place, defaultValue === undefined ? 'nothing' : JSON.stringify(defaultValue))
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) note(`${type.name}.${field.name}`, field)
    } else if (isObjectType(type) || isInterfaceType(type)) {
      for (const { name, args } of Object.values(type.getFields())) {
        for (const argument of args) note(`${type.name}.${name}(${argument.name}:)`, argument)
      }
    }
  }
  return defaults
}

describe('the contract', () => {
  it('is kept by schema.graphql: types, fields, arguments, nullability, members and defaults', () => {
    expect(brokenPromises(contract, buildSchema(served))).toEqual([])
  })

  it.each([
    ['a field that is missing', '  attempt: Int!\n', ''],
    ['an argument that is missing', '  import: Boolean = false\n', ''],
    ['an input field that is missing', '  expectedVersion: Int\n', ''],
    ['an enum value that is missing', '  LEASE_EXPIRED\n', ''],
    ['a member of a union that is missing', 'SessionNotFoundError | StaleEpochError', 'SessionNotFoundError'],
    ['a value that may be null', '  epoch: Int!\n', '  epoch: Int\n'],
    ['another default', 'takeover: Boolean = false', 'takeover: Boolean = true'],
    ['a default where there was none', 'metrics: CrawlMetricsInput\n', 'metrics: CrawlMetricsInput = {}\n'],
  ])('would be seen to be broken by %s', (_what, from, to) => {
    const bare = served.replaceAll(/"{3}[\s\S]*?"{3}/g, '').replaceAll(/\s*\n/g, '\n')
    const changed = bare.replaceAll(from, to)
    expect(changed).not.toBe(bare)
    expect(brokenPromises(contract, buildSchema(changed))).not.toEqual([])
  })
})
