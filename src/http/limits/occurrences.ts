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

export interface Occurrences {
  readonly aliases: number
  readonly directives: number
  readonly directivesAtOnePlace: number
  readonly branches: number
}

/** Counts as they are written: a fragment's once, however often it is spread. */
export function countOccurrences(document: DocumentNode): Occurrences {
  let [aliases, directives, directivesAtOnePlace, branches] = [0, 0, 0, 0]
  visit(document, {
    enter(node) {
      if (node.kind === Kind.FIELD) {
        if (node.alias) aliases += 1
        if (node.selectionSet) branches += 1
      }
      if ('directives' in node && node.directives) {
        directives += node.directives.length
        directivesAtOnePlace = Math.max(directivesAtOnePlace, node.directives.length)
      }
    },
  })
  return { aliases, directives, directivesAtOnePlace, branches }
}
