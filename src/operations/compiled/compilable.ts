import {
  type ASTVisitor,
  BREAK,
  type DocumentNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  type ValueNode,
  visit,
} from 'graphql'
import { fragmentsOf } from '../../graphql/fragments.ts'

/**
 * The largest operation that is compiled, in fields, fragments (counted at each spread) and variables. A field takes
 * about 1.6 KB, and 80 µs to compile. Fragments of fragments can make millions of fields of 2,000 tokens.
 */
const MOST_SELECTIONS = 100
const MOST_VARIABLES = 10

/**
 * Whether graphql-jit 0.8.9 gives the same answer to a valid operation as graphql-js. Each rule excludes something that
 * it does differently: test/unit/compiled-execution.test.ts has examples, and
 * test/integration/http/same-answers.test.ts compares the two.
 */
export function isCompilable(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  return isOfOneStep(document, operation) && isSmall(document, operation) && !hasOddity(document, operation)
}

/**
 * After a failed mutation graphql-js runs no further one, but graphql-jit does. So only one mutation is allowed. A
 * query with several errors is run again by graphql-js, but a mutation cannot be run again. So a mutation may have no
 * arguments below its root field, which could be wrong.
 */
function isOfOneStep(document: DocumentNode, { operation, selectionSet }: OperationDefinitionNode): boolean {
  if (operation === OperationTypeNode.QUERY) return true
  const [root, ...others] = selectionSet.selections
  if (operation !== OperationTypeNode.MUTATION || root?.kind !== Kind.FIELD || others.length > 0) return false
  return !finds(document, (stopIf) => ({
    Field: (node) => stopIf(node !== root && node.arguments !== undefined && node.arguments.length > 0),
  }))
}

function isSmall(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  const fragments = fragmentsOf(document)
  let selections = 0
  const count = (set: SelectionSetNode): void => {
    for (const node of set.selections) {
      selections += 1
      const below = node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node
      if (below?.selectionSet && selections <= MOST_SELECTIONS) count(below.selectionSet)
    }
  }
  count(operation.selectionSet)
  return selections <= MOST_SELECTIONS && (operation.variableDefinitions ?? []).length <= MOST_VARIABLES
}

/**
 * graphql-jit joins the keys of an answer with `_` into one name, and keeps variables in an object with a prototype.
 */
const isPlain = (name: string): boolean => /^[A-Za-z][A-Za-z0-9]*$/.test(name) && !(name in Object.prototype)

/**
 * graphql-jit writes strings into the code that it runs, and searches them for its own marks, which begin with `__`.
 */
const isHarmless = (text: string): boolean => /^[\w ./:@+-]*$/.test(text) && !text.includes('__')

function hasOddity(document: DocumentNode, { variableDefinitions = [] }: OperationDefinitionNode): boolean {
  const required = new Set(
    variableDefinitions
      .filter(({ type }) => type.kind === Kind.NON_NULL_TYPE)
      .map(({ variable }) => variable.name.value),
  )
  /** graphql-jit makes null of an omitted variable in a list or an object. */
  const isOmittable = (value: ValueNode) => value.kind === Kind.VARIABLE && !required.has(value.name.value)
  return finds(document, (stopIf) => ({
    Directive: () => stopIf(true),
    // graphql-jit writes defaults as JSON, so a DateTime becomes a string. It also accepts null where only the default
    // allows it.
    VariableDefinition: ({ defaultValue, variable }) =>
      stopIf(defaultValue !== undefined || !isPlain(variable.name.value)),
    Field: ({ alias, name }) =>
      stopIf(alias ? !isPlain(alias.value) : name.value !== '__typename' && !isPlain(name.value)),
    ListValue: ({ values }) => stopIf(values.some(isOmittable)),
    ObjectField: ({ value }) => stopIf(isOmittable(value)),
    StringValue: ({ value }) => stopIf(!isHarmless(value)),
  }))
}

type StopIf = (isFound: boolean) => unknown

/** Whether the visitor stopped early. */
function finds(document: DocumentNode, visitorOf: (stopIf: StopIf) => ASTVisitor): boolean {
  let found = false
  const visitor = visitorOf((isFound) => {
    found = isFound
    return isFound ? BREAK : undefined
  })
  visit(document, visitor)
  return found
}
