import {
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql'
import { fragmentsOf } from '../../graphql/fragments.ts'

const CONDITIONS = new Set(['skip', 'include'])

/**
 * Checks GraphQL's Single Root Field rule: a subscription has exactly one root field, which must not have @skip or
 * @include, whatever their arguments (https://spec.graphql.org/September2025/#sec-Single-Root-Field). graphql-js 16
 * accepts them and then fails if no field is left. Each fragment is checked once.
 * @returns the first violation; empty if the document keeps the rule
 */
export function findConditionalRoots(document: DocumentNode): readonly GraphQLError[] {
  const errors: GraphQLError[] = []
  const fragments = fragmentsOf(document)
  const seen = new Set<SelectionSetNode>()

  function look(selectionSet: SelectionSetNode): void {
    if (seen.has(selectionSet)) return
    seen.add(selectionSet)
    for (const selection of selectionSet.selections) {
      const condition = selection.directives?.find(({ name }) => CONDITIONS.has(name.value))
      if (condition && errors.length === 0) errors.push(breaksRule(condition))
      if (selection.kind === Kind.FIELD) continue
      const below = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value)
      if (below) look(below.selectionSet)
    }
  }

  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    if (definition.operation === OperationTypeNode.SUBSCRIPTION) look(definition.selectionSet)
  }
  return errors
}

function breaksRule(condition: DirectiveNode): GraphQLError {
  return new GraphQLError(
    `The root field of a subscription must not have @${condition.name.value} (GraphQL's Single Root Field rule): leave the directive out, ` +
      'or subscribe only when it is wanted.',
    { nodes: condition },
  )
}
