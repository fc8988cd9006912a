import type { FieldNode, GraphQLResolveInfo, SelectionSetNode } from 'graphql'
import { eachField } from './selections.ts'

/**
 * Makes a function that decides what has to be read for a field, by the names that are selected below it.
 * @param apart names of fields that are read separately: neither they nor the fields below them count
 * @param judge decides by the names of all fields selected below the field, at any depth, including fields that a
 * directive may leave out; its result is kept as long as the document
 */
export function bySelectedNames<Reading>(
  apart: ReadonlySet<string>,
  judge: (names: ReadonlySet<string>) => Reading,
): (info: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>) => Reading {
  const known = new WeakMap<FieldNode, Reading>()
  const judgeNodes = ({ fieldNodes, fragments }: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>): Reading => {
    const names = new Set<string>()
    const entered = new Set<string>()
    const collect = (set: SelectionSetNode | undefined): void => {
      if (set) eachField(set, (name) => fragments[name], visit, entered)
    }
    const visit = ({ name, selectionSet }: FieldNode): void => {
      if (apart.has(name.value)) return
      names.add(name.value)
      collect(selectionSet)
    }
    for (const { selectionSet } of fieldNodes) collect(selectionSet)
    return judge(names)
  }
  return (info) => {
    const [only, ...others] = info.fieldNodes
    if (!only || others.length > 0) return judgeNodes(info)
    let reading = known.get(only)
    if (reading === undefined) known.set(only, (reading = judgeNodes(info)))
    return reading
  }
}
