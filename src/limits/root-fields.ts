import { type DocumentNode, Kind } from 'graphql'
import { eachField } from '../graphql/selections.ts'
import { fragmentsOf } from '../graphql/fragments.ts'

/** The most root fields of an operation. Each reads or writes by itself, and mutations run one after the other. */
export const MOST_ROOT_FIELDS = 20

/** The number of root fields of the largest operation, fragments included. Each fragment counts once. */
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
