import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import { eachField } from '../../graphql/selections.ts'
import { fragmentsOf } from '../../graphql/fragments.ts'

/** Documents come from a cache, so the same operation is the same object each time. */
const known = new WeakMap<OperationDefinitionNode, readonly string[]>()

/**
 * The root fields that an operation selects, fragments included, each once. They are names of the schema, never
 * aliases.
 */
export function rootFieldNames(document: DocumentNode, operation: OperationDefinitionNode): readonly string[] {
  let names = known.get(operation)
  if (names === undefined) {
    const found = new Set<string>()
    const fragments = fragmentsOf(document)
    eachField(
      operation.selectionSet,
      (name) => fragments.get(name),
      ({ name }) => void found.add(name.value),
    )
    known.set(operation, (names = [...found]))
  }
  return names
}
