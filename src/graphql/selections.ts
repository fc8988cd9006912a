import { type FieldNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql'

/** @returns undefined where a document that was not validated yet has no such fragment */
export type FindFragment = (name: string) => FragmentDefinitionNode | undefined

/**
 * Calls `visit` for each field of a selection set, fragments unfolded. A fragment is entered once, however often it is
 * spread: forty that each spread the next one twice come to a trillion spreads. Fragments may be in a circle.
 *
 * @param entered names of the fragments entered so far; pass it on where `visit` goes further down, and no fragment is
 * entered twice in all
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
