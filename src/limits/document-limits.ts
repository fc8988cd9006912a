import { type DocumentNode, GraphQLError } from 'graphql'
import { depthOf, MOST_DEPTH } from './depth.ts'
import { asksForSchema } from './introspection.ts'
import {
  countOccurrences,
  MOST_ALIASES,
  MOST_BRANCHES,
  MOST_DIRECTIVES,
  MOST_DIRECTIVES_AT_ONE_PLACE,
  MOST_OF_ONE_NAME,
} from './occurrences.ts'
import { countRootFields, MOST_ROOT_FIELDS } from './root-fields.ts'

/**
 * Finds which limits a document exceeds. Each message names the limit, the size and what to do. Called before
 * validation, since some limits keep validation short. Variables do not matter, so the answer for a document never
 * changes.
 */
export function findDocumentExcess(
  document: DocumentNode,
  { introspection }: { readonly introspection: boolean },
): readonly GraphQLError[] {
  const { aliases, directives, directivesAtOnePlace, branches, ofOneName } = countOccurrences(document)
  const excesses = [
    excess(depthOf(document), MOST_DEPTH, 'nests # fields', 'select the deeper fields in an operation of their own'),
    excess(aliases, MOST_ALIASES, 'has # aliases', 'send several operations'),
    excess(directives, MOST_DIRECTIVES, 'has # directives', 'leave some out'),
    excess(directivesAtOnePlace, MOST_DIRECTIVES_AT_ONE_PLACE, 'has # directives at one place', 'leave some out'),
    excess(
      countRootFields(document),
      MOST_ROOT_FIELDS,
      'has # root fields in one operation',
      'send several operations',
    ),
    excess(
      branches,
      MOST_BRANCHES,
      'has # fields with fields of their own',
      'use fragments, or send several operations',
    ),
    excess(ofOneName, MOST_OF_ONE_NAME, 'selects # times a field of one name', 'leave out the repetitions'),
    !introspection && asksForSchema(document)
      ? 'Introspection is off here: read schema.graphql, or ask an operator to set INTROSPECTION=1.'
      : undefined,
  ]
  return excesses.filter((message) => message !== undefined).map((message) => new GraphQLError(message))
}

function excess(size: number, most: number, what: string, remedy: string): string | undefined {
  return size > most
    ? `This document ${what.replace('#', String(size))}, and ${most} is the most: ${remedy}.`
    : undefined
}
