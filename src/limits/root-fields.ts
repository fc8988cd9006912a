import { type DocumentNode, Kind } from 'graphql'
import { eachField } from '../graphql/selections.ts'
import { fragmentsOf } from '../graphql/fragments.ts'

/** Each reads or writes by itself; mutations run one after the other. */
export const MOST_ROOT_FIELDS = 20

/** How many root fields the largest operation has, fragments unfolded; a fragment's are counted once. */
export function countRootFields(document: DocumentNode): number {
  const fragments = fragmentsOf(document)
  const counts = document.definitions.map((node) => {
    let count = 0
    if (node.kind === Kind.OPERATION_DEFINITION) {
      eachField(
        node.selectionSet,
        (name) => fragments.get(name),
        () => void (count += 1),
      )
    }
    return count
  })
  return Math.max(0, ...counts)
}
