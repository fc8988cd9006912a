import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql'
import type { SeededRandom } from '../../support/crawl-random.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Texts that fit an argument or a field of an input, by its name. */
export type Texts = Readonly<Record<string, readonly string[]>>

export function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  const item = items[random.below(items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

/** @param percent how often it is true */
export const chance = (random: SeededRandom, percent: number): boolean => random.below(100) < percent

const TIMES = ['2026-11-01T00:00:00Z', '2026-11-24T07:33:00.123Z', '2026-11-24T10:33:00+03:00', '2027-01-01T00:00:00Z']

/** Marks and quotes that a compiler could take for its own, and characters that JSON and GraphQL write in their own ways. */
const ODD_TEXTS = [
  '__MAGIC_NAN__57f286b9_4c20_487f_b409_79804ddcb4f8',
  '__MAGIC_DATE__33a9e76d_02e0_4128_8e92_3530ad3da74d0',
  '${1}`\'"\\',
  '\u2028\u{1F600}',
  '',
]

/** A value that fits the type, as JSON; what it says may still be refused. */
export function fittingValue(random: SeededRandom, texts: Texts, type: GraphQLInputType, name: string): Json {
  if (isNonNullType(type)) return fittingValue(random, texts, type.ofType, name)
  if (isListType(type)) {
    if (chance(random, 10)) return fittingValue(random, texts, type.ofType, name)
    return Array.from({ length: random.below(3) }, () => fittingValue(random, texts, type.ofType, name))
  }
  if (isEnumType(type)) return pick(random, type.getValues()).name
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(
      (field) => isNonNullType(field.type) || chance(random, field.name in texts ? 50 : 15),
    )
    return Object.fromEntries(
      fields.map((field) => [
        field.name,
        !isNonNullType(field.type) && chance(random, 10) ? null : fittingValue(random, texts, field.type, field.name),
      ]),
    )
  }
  if (type.name === 'Boolean') return chance(random, 50)
  if (type.name === 'DateTime') return pick(random, TIMES)
  if (type.name === 'Int' || type.name === 'Float') return pick(random, [0, 1, 2, 3, 1, 2, 3, 101, -1])
  return chance(random, 8) ? pick(random, ODD_TEXTS) : pick(random, texts[name] ?? ['a text', 'another'])
}

/** A value that hardly any type takes. */
export function wrongValue(random: SeededRandom): Json {
  return pick<() => Json>(random, [
    () => null,
    () => [],
    () => ({}),
    () => 'wrong',
    () => 7,
    () => 1.5,
    () => true,
    () => 3e9,
    () => [[]],
    () => [null, 'a', 1],
    () => ({ [pick(random, ['__proto__', 'constructor', 'x'])]: 1 }),
  ])()
}

/** A value as a document writes it. */
export function literalOf(value: Json, type: GraphQLInputType): string {
  if (isNonNullType(type)) return literalOf(value, type.ofType)
  if (value === null) return 'null'
  if (isListType(type)) {
    if (!Array.isArray(value)) return literalOf(value, type.ofType)
    return `[${value.map((item) => literalOf(item, type.ofType)).join(', ')}]`
  }
  if (isInputObjectType(type) && typeof value === 'object') {
    const fields = type.getFields()
    const texts = Object.entries(value).map(([name, member]) => {
      const field = fields[name]
      if (!field) throw new Error(`${type.name} has no ${name}`)
      return `${name}: ${literalOf(member, field.type)}`
    })
    return `{${texts.join(', ')}}`
  }
  return isEnumType(type) && typeof value === 'string' ? value : JSON.stringify(value)
}

export const isRequired = ({ type, defaultValue }: GraphQLArgument | GraphQLInputField): boolean =>
  isNonNullType(type) && defaultValue === undefined
