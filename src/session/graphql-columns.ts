import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import type { SessionColumns } from './summary.ts'

/** The fields of a session that a summary answers, and those of the lists around it. */
const IN_SUMMARY: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'sessionId', 'userId', 'stream', 'platform', 'status', 'startedAt', 'completedAt'],
  'bookmarksProcessed',
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Of which a summary knows the keys; what is asked of them is read for itself. */
const BY_KEY: ReadonlySet<string> = new Set(['user', 'checkpoint'])

/** Kept as long as the document is. */
const known = new WeakMap<FieldNode, SessionColumns>()

/**
 * What has to be read of sessions for what is selected of them, wherever below the field: all columns if anything is there that no
 * summary answers, also where a directive may leave it out.
 */
export function columnsOf({ fieldNodes, fragments }: GraphQLResolveInfo): SessionColumns {
  return fieldNodes.every((node) => columnsOfNode(node, fragments) === 'summary') ? 'summary' : 'all'
}

type Fragments = Readonly<Record<string, FragmentDefinitionNode>>

function columnsOfNode(node: FieldNode, fragments: Fragments): SessionColumns {
  let columns = known.get(node)
  if (columns === undefined) {
    columns = isSummary(node.selectionSet, fragments, new Set()) ? 'summary' : 'all'
    known.set(node, columns)
  }
  return columns
}

/** @param seen fragments, of which each is looked at once: spread in each other they can come to millions */
function isSummary(set: SelectionSetNode | undefined, fragments: Fragments, seen: Set<string>): boolean {
  return (set?.selections ?? []).every((selection) => {
    if (selection.kind === Kind.INLINE_FRAGMENT) return isSummary(selection.selectionSet, fragments, seen)
    const name = selection.name.value
    if (selection.kind === Kind.FIELD) {
      return BY_KEY.has(name) || (IN_SUMMARY.has(name) && isSummary(selection.selectionSet, fragments, seen))
    }
    if (seen.has(name)) return true
    seen.add(name)
    return isSummary(fragments[name]?.selectionSet, fragments, seen)
  })
}
