import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type SelectionSetNode,
} from 'graphql'

/**
 * Makes a function that says what has to be read for a field, by what is selected below it.
 * @param apart names of fields that are read for themselves: nothing in or below them counts
 * @param judge gets the names of all fields that are selected wherever below the field, also where a directive may leave one out; what it
 * says is kept as long as the document is
 */
export function bySelectedNames<Reading>(
  apart: ReadonlySet<string>,
  judge: (names: ReadonlySet<string>) => Reading,
): (info: GraphQLResolveInfo) => Reading {
  const known = new WeakMap<FieldNode, Reading>()
  const judgeNodes = ({ fieldNodes, fragments }: GraphQLResolveInfo): Reading => {
    const selected: Selected = { fragments, apart, names: new Set(), spread: new Set() }
    for (const { selectionSet } of fieldNodes) collect(selectionSet, selected)
    return judge(selected.names)
  }
  return (info) => {
    const [only, ...others] = info.fieldNodes
    if (!only || others.length > 0) return judgeNodes(info)
    let reading = known.get(only)
    if (reading === undefined) known.set(only, (reading = judgeNodes(info)))
    return reading
  }
}

interface Selected {
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>
  readonly apart: ReadonlySet<string>
  readonly names: Set<string>
  /** Fragments, of which each is looked at once: spread in each other they can come to millions. */
  readonly spread: Set<string>
}

function collect(set: SelectionSetNode | undefined, selected: Selected): void {
  const { fragments, apart, names, spread } = selected
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      collect(selection.selectionSet, selected)
      continue
    }
    const name = selection.name.value
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      if (spread.has(name)) continue
      spread.add(name)
      collect(fragments[name]?.selectionSet, selected)
    } else if (!apart.has(name)) {
      names.add(name)
      collect(selection.selectionSet, selected)
    }
  }
}
