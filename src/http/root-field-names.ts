import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql'
import { type Fragments, fragmentsOf } from './limits/fragments.ts'

/** Documents come from a cache, so that an operation is the same object each time. */
const known = new WeakMap<OperationDefinitionNode, readonly string[]>()

/** The root fields that a valid operation asks for, fragments unfolded, each once: names of the schema, never a client's aliases. */
export function rootFieldNames(document: DocumentNode, operation: OperationDefinitionNode): readonly string[] {
  let names = known.get(operation)
  if (names === undefined) {
    const found = new Set<string>()
    collect(operation.selectionSet, fragmentsOf(document), found)
    known.set(operation, (names = [...found]))
  }
  return names
}

/** A valid document's fragments have no circle. */
function collect({ selections }: SelectionSetNode, fragments: Fragments, found: Set<string>): void {
  for (const node of selections) {
    if (node.kind === Kind.FIELD) found.add(node.name.value)
    else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet, fragments, found)
    else {
      const fragment = fragments.get(node.name.value)
      if (fragment) collect(fragment.selectionSet, fragments, found)
    }
  }
}
