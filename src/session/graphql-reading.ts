import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import type { SessionReading } from './summary.ts'

/** The fields of a session that a summary answers, and those of the lists around it. */
const IN_SUMMARY: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'sessionId', 'userId', 'stream', 'platform', 'status', 'startedAt', 'completedAt'],
  'bookmarksProcessed',
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Of which a summary knows the keys; what is asked of them is read for itself. */
const BY_KEY: ReadonlySet<string> = new Set(['user', 'checkpoint'])

const OF_POSITIONS = ['cursor', 'startCursor', 'endCursor']

/** Kept as long as the document is. */
const known = new WeakMap<FieldNode, SessionReading>()

/**
 * What has to be read of sessions for what is selected of them, wherever below the field: all columns if anything is there that no
 * summary answers, also where a directive may leave it out.
 */
export function readingOf({ fieldNodes, fragments }: GraphQLResolveInfo): SessionReading {
  const [only, ...others] = fieldNodes
  if (!only || others.length > 0) return judge(fieldNodes, fragments)
  let reading = known.get(only)
  if (reading === undefined) known.set(only, (reading = judge(fieldNodes, fragments)))
  return reading
}

type Fragments = Readonly<Record<string, FragmentDefinitionNode>>

function judge(fieldNodes: readonly FieldNode[], fragments: Fragments): SessionReading {
  const names = new Set<string>()
  const spread = new Set<string>()
  for (const { selectionSet } of fieldNodes) collectNames(selectionSet, fragments, names, spread)
  return {
    columns: [...names].every((name) => IN_SUMMARY.has(name)) ? 'summary' : 'all',
    positions: OF_POSITIONS.some((name) => names.has(name)),
  }
}

/** @param spread fragments, of which each is looked at once: spread in each other they can come to millions */
function collectNames(
  set: SelectionSetNode | undefined,
  fragments: Fragments,
  names: Set<string>,
  spread: Set<string>,
): void {
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      collectNames(selection.selectionSet, fragments, names, spread)
      continue
    }
    const name = selection.name.value
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      if (!spread.has(name)) collectNames(fragments[name]?.selectionSet, fragments, names, spread.add(name))
    } else if (!BY_KEY.has(name)) {
      names.add(name)
      collectNames(selection.selectionSet, fragments, names, spread)
    }
  }
}
