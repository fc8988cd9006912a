import { type DocumentNode, Kind, visit } from 'graphql'

/** Aliases let one document ask for the same thing again and again. */
export const MOST_ALIASES = 50
export const MOST_DIRECTIVES = 50
export const MOST_DIRECTIVES_AT_ONE_PLACE = 5
/**
 * Fields that have fields of their own. Validation compares each with each other of the same name: 490 of them, in 1,961 tokens, took
 * it 440 ms on two cores.
 */
export const MOST_BRANCHES = 150
/** Of fields without fields of their own it compares as many: 1,750 of them took 110 ms. */
export const MOST_OF_ONE_NAME = 200

export interface Occurrences {
  readonly aliases: number
  readonly directives: number
  readonly directivesAtOnePlace: number
  readonly branches: number
  /** Of the name (its alias, where it has one) that most fields of the document have. */
  readonly ofOneName: number
}

/** Counts as they are written: a fragment's once, however often it is spread. */
export function countOccurrences(document: DocumentNode): Occurrences {
  let [aliases, directives, directivesAtOnePlace, branches, ofOneName] = [0, 0, 0, 0, 0]
  const byName = new Map<string, number>()
  visit(document, {
    enter(node) {
      if (node.kind === Kind.FIELD) {
        if (node.alias) aliases += 1
        if (node.selectionSet) branches += 1
        const name = (node.alias ?? node.name).value
        const count = (byName.get(name) ?? 0) + 1
        byName.set(name, count)
        ofOneName = Math.max(ofOneName, count)
      }
      if ('directives' in node && node.directives) {
        directives += node.directives.length
        directivesAtOnePlace = Math.max(directivesAtOnePlace, node.directives.length)
      }
    },
  })
  return { aliases, directives, directivesAtOnePlace, branches, ofOneName }
}
