import { type DocumentNode, Kind, type SelectionSetNode } from 'graphql'
import { type Fragments, fragmentsOf } from './fragments.ts'

/** Each reads or writes by itself; mutations run one after the other. */
export const MOST_ROOT_FIELDS = 20

/** How many root fields the largest operation has, fragments unfolded; a fragment's are counted once. */
export function countRootFields(document: DocumentNode): number {
  const fragments = fragmentsOf(document)
  const counts = document.definitions.map((node) =>
    node.kind === Kind.OPERATION_DEFINITION ? countIn(node.selectionSet, fragments, new Set()) : 0,
  )
  return Math.max(0, ...counts)
}

function countIn({ selections }: SelectionSetNode, fragments: Fragments, seen: Set<string>): number {
  let count = 0
  for (const node of selections) {
    if (node.kind === Kind.FIELD) count += 1
    else if (node.kind === Kind.INLINE_FRAGMENT) count += countIn(node.selectionSet, fragments, seen)
    else if (!seen.has(node.name.value)) {
      seen.add(node.name.value)
      const fragment = fragments.get(node.name.value)
      if (fragment) count += countIn(fragment.selectionSet, fragments, seen)
    }
  }
  return count
}
