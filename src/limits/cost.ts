import {
  type ArgumentNode,
  type FieldNode,
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import type { Fragments } from '../graphql/fragments.ts'

type Variables = Readonly<Record<string, unknown>>

/** How long the page of a list is. */
export interface PageSizes {
  /** Where neither `first` nor `last` is given. */
  readonly default: number
  readonly most: number
}

/** A cost, and whether other variables could make it another one. */
export interface Cost {
  readonly objects: number
  readonly dependsOnVariables: boolean
}

/**
 * How many objects a valid operation could answer. A list counts its page (`first` or `last`, by default 20), the length of the list
 * that it answers one by one (`ids`, `inputs`), or 20; a field may say otherwise in extensions.pricedItems. Of a union's members
 * the dearest counts. What is selected twice counts twice, and what is skipped counts.
 */
export function costOf(
  schema: GraphQLSchema,
  fragments: Fragments,
  operation: OperationDefinitionNode,
  variables: Variables,
  pageSizes: PageSizes,
): Cost {
  const root = schema.getRootType(operation.operation)
  if (!root) return { objects: 0, dependsOnVariables: false }
  const pricing = new Pricing(schema, fragments, operation, variables, pageSizes)
  const objects = pricing.priceOf(operation.selectionSet, root, undefined)
  return { objects, dependsOnVariables: pricing.dependsOnVariables }
}

class Pricing {
  dependsOnVariables = false
  readonly #schema: GraphQLSchema
  readonly #fragments: Fragments
  readonly #operation: OperationDefinitionNode
  readonly #variables: Variables
  readonly #pageSizes: PageSizes
  /** Else a few fragments that spread each other twice cost more to price than to answer. */
  readonly #known = new Map<SelectionSetNode, Map<string, number>>()

  constructor(
    schema: GraphQLSchema,
    fragments: Fragments,
    operation: OperationDefinitionNode,
    variables: Variables,
    pageSizes: PageSizes,
  ) {
    this.#schema = schema
    this.#fragments = fragments
    this.#operation = operation
    this.#variables = variables
    this.#pageSizes = pageSizes
  }

  /** @param pageSize of the connection that `type` is, where it is one */
  priceOf(set: SelectionSetNode, type: GraphQLObjectType, pageSize: number | undefined): number {
    let known = this.#known.get(set)
    if (!known) this.#known.set(set, (known = new Map<string, number>()))
    const key = `${type.name} ${pageSize ?? ''}`
    let price = known.get(key)
    if (price === undefined) {
      price = 0
      for (const node of set.selections) {
        if (node.kind === Kind.FIELD) price += this.#priceOfField(node, type, pageSize)
        else {
          const fragment = node.kind === Kind.FRAGMENT_SPREAD ? this.#fragments.get(node.name.value) : node
          if (fragment && this.#applies(fragment.typeCondition?.name.value, type)) {
            price += this.priceOf(fragment.selectionSet, type, pageSize)
          }
        }
      }
      known.set(key, price)
    }
    return price
  }

  #priceOfField(node: FieldNode, parent: GraphQLObjectType, pageSize: number | undefined): number {
    const field = parent.getFields()[node.name.value]
    // A leaf; or introspection, which isn't among the fields.
    if (!node.selectionSet || !field) return 0
    const set = node.selectionSet
    const type = getNamedType(field.type)
    if (!isCompositeType(type)) return 0
    const ownPageSize = this.#pageSizeOf(node, field)
    const members = isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [type]
    const each = Math.max(0, ...members.map((member) => 1 + this.priceOf(set, member, ownPageSize)))
    return isListType(getNullableType(field.type)) ? each * this.#lengthOf(node, field, pageSize) : each
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true
    const conditional = this.#schema.getType(condition)
    return isAbstractType(conditional) && this.#schema.isSubType(conditional, type)
  }

  /** undefined: no list that is read by pages. More than the most is refused by the list itself, so it need not count. */
  #pageSizeOf(node: FieldNode, field: GraphQLField<unknown, unknown>): number | undefined {
    if (!field.args.some(({ name }) => name === 'first' || name === 'last')) return undefined
    const size = this.#argument(node, 'first') ?? this.#argument(node, 'last') ?? this.#pageSizes.default
    return typeof size === 'number' ? Math.min(Math.max(size, 0), this.#pageSizes.most) : this.#pageSizes.default
  }

  #lengthOf(node: FieldNode, field: GraphQLField<unknown, unknown>, pageSize: number | undefined): number {
    const { pricedItems } = field.extensions
    if (typeof pricedItems === 'number') return pricedItems
    if (pageSize !== undefined) return pageSize
    const answered = field.args.find(({ type }) => isListType(getNullableType(type)))
    if (!answered) return this.#pageSizes.default
    const given = this.#argument(node, answered.name)
    return Array.isArray(given) ? given.length : 1
  }

  #argument(node: FieldNode, name: string): unknown {
    const argument: ArgumentNode | undefined = node.arguments?.find((given) => given.name.value === name)
    return argument && this.#valueOf(argument.value)
  }

  /** As far as sizes need it: numbers, and lists for their length. */
  #valueOf(node: ValueNode): unknown {
    if (node.kind === Kind.INT) return Number(node.value)
    if (node.kind === Kind.LIST) return node.values
    if (node.kind !== Kind.VARIABLE) return undefined
    this.dependsOnVariables = true
    const name = node.name.value
    if (Object.hasOwn(this.#variables, name)) return this.#variables[name]
    const definition = this.#operation.variableDefinitions?.find(({ variable }) => variable.name.value === name)
    return definition?.defaultValue && this.#valueOf(definition.defaultValue)
  }
}
