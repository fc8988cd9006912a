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

/** The page sizes of lists. */
export interface PageSizes {
  /** The size if neither `first` nor `last` is given. */
  readonly default: number
  readonly most: number
}

/** The cost of an operation, and whether it depends on the values of variables. */
export interface Cost {
  readonly objects: number
  readonly dependsOnVariables: boolean
}

/**
 * How many objects a valid operation could return. A connection counts its page size (`first` or `last`, by default
 * 20). A list that answers an argument item by item (`ids`, `inputs`) counts the length of that argument, and any other
 * list 20. A field can set its own number in extensions.pricedItems. The most expensive member of a union counts. A
 * field that is selected twice counts twice, and a skipped field counts too.
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
  /**
   * Prices by selection set. Without this cache a few fragments that spread each other twice would take longer to price
   * than to answer.
   */
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

  /** @param pageSize the page size, if `type` is a connection */
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
    // Either a leaf or an introspection field, which getFields() does not have.
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

  /**
   * The page size of a connection; undefined for other fields. Sizes above the maximum count as the maximum, since the
   * list itself refuses them.
   */
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

  /** Reads the values that sizes need: numbers, and lists for their length. */
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
