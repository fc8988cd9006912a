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
 * The largest operation that is compiled: fields and fragments, counted wherever they are spread, and variables. A
 * field takes about 1.6 KB, and 80 µs to compile; fragments of fragments can make millions of fields of 2,000 tokens.
 */
const MOST_SELECTIONS = 100
const MOST_VARIABLES = 10

/**
 * Whether graphql-jit 0.8.9 answers a valid operation as graphql-js does. Each rule excludes something that it gets
 * wrong: test/unit/compiled-execution.test.ts has examples. test/integration/http/same-answers.test.ts compares the
 * two.
 */
export function isCompilable(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  return isOfOneStep(document, operation) && isSmall(document, operation) && !hasOddity(document, operation)
}

/**
 * After a mutation that failed graphql-js runs no other, and graphql-jit does. A query with several errors is run again
 * by graphql-js; a mutation cannot be, so there may be no arguments below its root, which could be wrong.
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

/** graphql-jit makes one name of an answer's keys, joined by `_`, and keeps variables in an object with a prototype. */
const isPlain = (name: string): boolean => /^[A-Za-z][A-Za-z0-9]*$/.test(name) && !(name in Object.prototype)

/** It writes texts into the code that it runs, and looks in them for marks, which begin with `__`. */
const isHarmless = (text: string): boolean => /^[\w ./:@+-]*$/.test(text) && !text.includes('__')

function hasOddity(document: DocumentNode, { variableDefinitions = [] }: OperationDefinitionNode): boolean {
  const required = new Set(
    variableDefinitions
      .filter(({ type }) => type.kind === Kind.NON_NULL_TYPE)
      .map(({ variable }) => variable.name.value),
  )
  /** In a list or an object it makes null of a variable that was left out. */
  const isOmittable = (value: ValueNode) => value.kind === Kind.VARIABLE && !required.has(value.name.value)
  return finds(document, (stopIf) => ({
    Directive: () => stopIf(true),
    // It writes defaults as JSON, so that a DateTime is a string, and takes null where only the default allows it.
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

/** Whether a visitor stopped. */
function finds(document: DocumentNode, visitorOf: (stopIf: StopIf) => ASTVisitor): boolean {
  let found = false
  const visitor = visitorOf((isFound) => {
    found = isFound
    return isFound ? BREAK : undefined
  })
  visit(document, visitor)
  return found
}
