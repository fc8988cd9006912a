import { type DocumentNode, Kind, visit } from 'graphql'

/** Aliases let one document select the same field again and again. */
export const MOST_ALIASES = 50
export const MOST_DIRECTIVES = 50
export const MOST_DIRECTIVES_AT_ONE_PLACE = 5
/**
 * The most fields that have a selection set. Validation compares each with each other of the same name: 490 of them, in
 * 1,961 tokens, took it 440 ms on two cores.
 */
export const MOST_BRANCHES = 150
/** The most fields of one name. Validation also compares leaf fields of one name: 1,750 of them took it 110 ms. */
export const MOST_OF_ONE_NAME = 200

export interface Occurrences {
  readonly aliases: number
  readonly directives: number
  readonly directivesAtOnePlace: number
  readonly branches: number
  /** The count of the name that most fields of the document have. For an aliased field the alias counts as its name. */
  readonly ofOneName: number
}

/** Counts occurrences in the text: those in a fragment count once, however often it is spread. */
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
