import {
  doTypesOverlap,
  getNamedType,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLInputField,
  type GraphQLInputType,
  GraphQLBoolean,
  GraphQLNonNull,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isUnionType,
  parse,
  validate,
} from 'graphql'
import type { SeededRandom } from '../../support/crawl-random.ts'
import {
  chance,
  fittingValue,
  isRequired,
  type Json,
  literalOf,
  pick,
  type Texts,
  wrongValue,
} from './random-values.ts'

export type Variables = Readonly<Record<string, Json>>

export interface RandomOperation {
  readonly text: string
  readonly operationName: string | undefined
  /** Three sets that may be sent with it, of which the later ones are wrong more often. */
  readonly variables: readonly [Variables, Variables, Variables]
}

export interface Plan {
  readonly schema: GraphQLSchema
  readonly kind: 'query' | 'mutation'
  readonly texts: Texts
  /** Fields that are never asked for. */
  readonly without?: readonly string[]
}

/** Keys of answers and names of variables: plain ones, ones that are the same once joined, and ones that objects have by themselves. */
const PLAIN = ['a', 'b', 'c', 'first', 'item']
const ODD = [
  'a_b',
  'b_a',
  'idx0',
  '_',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'then',
  'toJSON',
  'length',
]

/** Makes valid operations of a schema: what is not valid by accident is made again. */
export function randomOperation(random: SeededRandom, plan: Plan): RandomOperation {
  for (;;) {
    const writer = new Writer(random, plan)
    const operation = writer.write()
    if (validate(plan.schema, parse(operation.text)).length === 0) return operation
  }
}

interface Variable {
  readonly name: string
  /** Not of a non-null type. */
  readonly type: GraphQLInputType
  readonly isRequired: boolean
  /** Whose values fit it: the name of its argument. */
  readonly of: string
  readonly defaultValue: Json | undefined
}

class Writer {
  readonly #random: SeededRandom
  readonly #plan: Plan
  readonly #variables = new Map<string, Variable>()
  /** Complete ones, so that none is in itself. */
  readonly #fragments: { readonly name: string; readonly type: GraphQLCompositeType; readonly text: string }[] = []
  #fragmentsBegun = 0
  /** How often each is used, in percent: half of the documents have none, and are such as are compiled. */
  readonly #directives: number
  readonly #defaults: number
  readonly #oddNames: number

  constructor(random: SeededRandom, plan: Plan) {
    this.#random = random
    this.#plan = plan
    const isPlain = chance(random, 50)
    this.#directives = isPlain ? 0 : pick(random, [0, 10, 30])
    this.#defaults = isPlain ? 0 : pick(random, [0, 50])
    this.#oddNames = isPlain ? 0 : pick(random, [0, 20])
  }

  write(): RandomOperation {
    const { schema, kind } = this.#plan
    const root = kind === 'query' ? schema.getQueryType() : schema.getMutationType()
    if (!root) throw new Error(`the schema has no ${kind}`)
    const isNamed = chance(this.#random, 20)
    // Most mutations are one.
    const set = kind === 'mutation' && chance(this.#random, 65) ? `{ ${this.#field(root, 3)[0]} }` : this.#set(root, 3)
    const definitions = [...this.#variables.values()].map(({ name, type, isRequired, defaultValue }) => {
      const text = defaultValue === undefined ? '' : ` = ${literalOf(defaultValue, type)}`
      return `$${name}: ${String(type)}${isRequired ? '!' : ''}${text}`
    })
    const parts = [
      `${kind}${isNamed ? ' Named' : ''} ${definitions.length > 0 ? `(${definitions.join(', ')})` : ''} ${set}`,
      ...this.#fragments.map(({ name, type, text }) => `fragment ${name} on ${type.name} ${text}`),
      ...(isNamed && chance(this.#random, 50) ? ['query Other { viewer { subject } }'] : []),
    ]
    return {
      text: this.#random.shuffled(parts).join(pick(this.#random, ['\n', ' ', '\r\n\n'])),
      operationName: isNamed ? 'Named' : undefined,
      variables: [this.#values(8), this.#values(25), this.#values(50)],
    }
  }

  /** @param wrong how many are wrong, or left out, in percent */
  #values(wrong: number): Variables {
    const entries = [...this.#variables.values()].flatMap(
      ({ name, type, isRequired, of, defaultValue }): [string, Json][] => {
        const mayBeLeftOut = !isRequired || defaultValue !== undefined
        if (chance(this.#random, mayBeLeftOut ? 30 : wrong / 4)) return []
        if (chance(this.#random, mayBeLeftOut ? 15 : wrong / 4)) return [[name, null]]
        if (chance(this.#random, wrong)) return [[name, wrongValue(this.#random)]]
        return [[name, fittingValue(this.#random, this.#plan.texts, type, of)]]
      },
    )
    // With __proto__ as any other name.
    return Object.fromEntries(entries)
  }

  #set(type: GraphQLCompositeType, depth: number): string {
    const random = this.#random
    const parts: string[] = []
    const length = isUnionType(type) ? 0 : 1 + random.below(3)
    for (let place = 0; place < length; place += 1) parts.push(...this.#field(type, depth))
    const spreads = isAbstractType(type) ? 1 + random.below(3) : Number(chance(random, 30))
    for (let place = 0; place < spreads; place += 1) {
      const spread = this.#spread(type, depth)
      // Twice, beside what else there is or nested: what one of them leaves out the other may have.
      parts.push(spread, ...(chance(random, 25) ? [chance(random, 50) ? spread : `... { ${spread} }`] : []))
    }
    if (parts.length === 0 || chance(random, 25)) parts.push(`__typename${this.#directive()}`)
    return `{ ${random.shuffled(parts).join(' ')} }`
  }

  /** A field, sometimes twice with other fields below it; nothing where the field that was drawn has fields and is too deep. */
  #field(type: GraphQLCompositeType, depth: number): string[] {
    if (isUnionType(type)) return []
    const random = this.#random
    const field = pick(
      random,
      Object.values(type.getFields()).filter(({ name }) => !this.#plan.without?.includes(name)),
    )
    const below = getNamedType(field.type)
    if (isCompositeType(below) && depth === 0) return []
    const args = field.args.flatMap((arg) => {
      if (!isRequired(arg) && !chance(random, 35)) return []
      return [`${arg.name}: ${this.#argument(arg)}`]
    })
    const alias = chance(random, args.length > 0 ? 60 : 15) ? `${this.#name()}: ` : ''
    const text = () =>
      `${alias}${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}${this.#directive()}${isCompositeType(below) ? ` ${this.#set(below, depth - 1)}` : ''}`
    return chance(random, 15) ? [text(), text()] : [text()]
  }

  #spread(parent: GraphQLCompositeType, depth: number): string {
    const random = this.#random
    const { schema } = this.#plan
    const types = isAbstractType(parent)
      ? schema.getPossibleTypes(parent)
      : [parent, ...('getInterfaces' in parent ? parent.getInterfaces() : [])]
    const type = pick(random, types)
    if (chance(random, 40)) {
      const condition = chance(random, 80) || isAbstractType(parent) ? ` on ${type.name}` : ''
      return `...${condition}${this.#directive()} ${this.#set(type, Math.max(0, depth - 1))}`
    }
    const others = this.#fragments.filter((fragment) => doTypesOverlap(schema, fragment.type, parent))
    if (others.length > 0 && chance(random, 60)) return `...${pick(random, others).name}${this.#directive()}`
    const name = `F${(this.#fragmentsBegun += 1)}`
    const text = this.#set(type, Math.max(0, depth - 1))
    this.#fragments.push({ name, type, text })
    return `...${name}${this.#directive()}`
  }

  #directive(): string {
    if (!chance(this.#random, this.#directives)) return ''
    const condition = chance(this.#random, 30)
      ? String(chance(this.#random, 50))
      : this.#variable(new GraphQLNonNull(GraphQLBoolean), 'if', false)
    return ` @${pick(this.#random, ['skip', 'include'])}(if: ${condition})`
  }

  #argument(arg: GraphQLArgument | GraphQLInputField): string {
    const { type, name, defaultValue } = arg
    if (chance(this.#random, 45)) return this.#variable(type, name, defaultValue !== undefined)
    if (!isNonNullType(type) && chance(this.#random, 8)) return 'null'
    const inner = isNonNullType(type) ? type.ofType : type
    if (isListType(inner) && chance(this.#random, 40)) {
      return `[${this.#argument({ ...arg, type: inner.ofType, defaultValue: undefined })}]`
    }
    if (isInputObjectType(inner)) {
      const fields = Object.values(inner.getFields()).filter((field) => isRequired(field) || chance(this.#random, 25))
      return `{${fields.map((field) => `${field.name}: ${this.#argument(field)}`).join(', ')}}`
    }
    return literalOf(fittingValue(this.#random, this.#plan.texts, type, name), type)
  }

  /** A new variable for a place of this type, or one that is used already. */
  #variable(type: GraphQLInputType, of: string, hasDefault: boolean): string {
    const random = this.#random
    const nullable = isNonNullType(type) ? type.ofType : type
    const known = [...this.#variables.values()].filter(
      (variable) =>
        variable.of === of && variable.type === nullable && (variable.isRequired || !isNonNullType(type) || hasDefault),
    )
    if (known.length > 0 && chance(random, 70)) return `$${pick(random, known).name}`
    let name = this.#name()
    if (this.#variables.has(name)) name += String(this.#variables.size)
    const hasOwnDefault = chance(random, this.#defaults)
    // Null is a default too, where nothing else is demanded.
    const defaultValue = !hasOwnDefault
      ? undefined
      : !isNonNullType(type) && chance(random, 20)
        ? null
        : fittingValue(random, this.#plan.texts, nullable, of)
    const mayBeNull = !isNonNullType(type) || (defaultValue !== undefined && defaultValue !== null) || hasDefault
    const isNullable = mayBeNull && (defaultValue === null || chance(random, 70))
    this.#variables.set(name, { name, type: nullable, isRequired: !isNullable, of, defaultValue })
    return `$${name}`
  }

  #name(): string {
    if (chance(this.#random, this.#oddNames)) return pick(this.#random, ODD)
    return chance(this.#random, 30) ? pick(this.#random, PLAIN) : `n${this.#random.below(1_000)}`
  }
}
