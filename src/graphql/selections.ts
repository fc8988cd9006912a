import { type FieldNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql'

/** @returns undefined if the document has no such fragment, which is possible before validation */
export type FindFragment = (name: string) => FragmentDefinitionNode | undefined

/**
 * Calls `visit` for each field of a selection set, and of its fragments. Each fragment is entered once, however often
 * it is spread: forty fragments that each spread the next one twice make a trillion spreads. Fragments may form a
 * circle.
 *
 * @param entered names of the fragments entered so far; pass it on when `visit` goes deeper, so that each fragment is
 * entered once in all
 */
export function eachField(
  { selections }: SelectionSetNode,
  findFragment: FindFragment,
  visit: (field: FieldNode) => void,
  entered = new Set<string>(),
): void {
  for (const node of selections) {
    if (node.kind === Kind.FIELD) visit(node)
    else if (node.kind === Kind.INLINE_FRAGMENT) eachField(node.selectionSet, findFragment, visit, entered)
    else if (!entered.has(node.name.value)) {
      entered.add(node.name.value)
      const fragment = findFragment(node.name.value)
      if (fragment) eachField(fragment.selectionSet, findFragment, visit, entered)
    }
  }
}
