import { type DocumentNode, Kind, type SelectionSetNode } from 'graphql'
import { type Fragments, fragmentsOf } from '../graphql/fragments.ts'

/** Enough for three nested lists, by `edges { node }`, and an object below. */
export const MOST_DEPTH = 12

/**
 * The depth of the deepest field of a document's operations, fragments included. Introspection counts 1: a rule of
 * graphql-js limits it. Each fragment is measured once, however often it is spread.
 */
export function depthOf(document: DocumentNode): number {
  const fragments = fragmentsOf(document)
  const known = new Map<string, number>()
  const depths = document.definitions.map((node) =>
    node.kind === Kind.OPERATION_DEFINITION ? depthBelow(node.selectionSet, fragments, known) : 0,
  )
  return Math.max(0, ...depths)
}

function depthBelow(set: SelectionSetNode | undefined, fragments: Fragments, known: Map<string, number>): number {
  let deepest = 0
  for (const node of set?.selections ?? []) {
    switch (node.kind) {
      case Kind.FIELD:
        deepest = Math.max(
          deepest,
          node.name.value.startsWith('__') ? 1 : 1 + depthBelow(node.selectionSet, fragments, known),
        )
        break
      case Kind.INLINE_FRAGMENT:
        deepest = Math.max(deepest, depthBelow(node.selectionSet, fragments, known))
        break
      case Kind.FRAGMENT_SPREAD:
        deepest = Math.max(deepest, depthOfFragment(node.name.value, fragments, known))
    }
  }
  return deepest
}

function depthOfFragment(name: string, fragments: Fragments, known: Map<string, number>): number {
  const measured = known.get(name)
  if (measured !== undefined) return measured
  known.set(name, 0) // Ends the recursion of a fragment that spreads itself.
  const depth = depthBelow(fragments.get(name)?.selectionSet, fragments, known)
  known.set(name, depth)
  return depth
}
