import { type DocumentNode, GraphQLError, parse } from 'graphql'
import { IndexedSource } from '../graphql/indexed-source.ts'

/** The most tokens of a document. GraphiQL's introspection query has about 300, a dashboard's document some hundred. */
export const MOST_TOKENS = 2_000

/**
 * The most characters of a document. 2,000 tokens, each on its own line with the deepest indentation, have 80,000.
 * Comments and line breaks are not tokens.
 */
export const MOST_CHARACTERS = 100_000

/**
 * Parses a document, and stops at the limits without reading the rest.
 * @throws GraphQLError for a syntax error or an exceeded limit
 */
export function parseTokens(text: string): DocumentNode {
  if (text.length > MOST_CHARACTERS) {
    throw new GraphQLError(
      `This document has ${text.length} characters, and ${MOST_CHARACTERS} is the most: send values as variables, and ` +
        'large documents as several operations.',
    )
  }
  const source = new IndexedSource(text)
  try {
    const document = parse(source, { maxTokens: MOST_TOKENS })
    source.hideText()
    return document
  } catch (error) {
    if (!(error instanceof GraphQLError) || !error.message.endsWith('tokens. Parsing aborted.')) throw error
    throw new GraphQLError(
      `This document has more than ${MOST_TOKENS} tokens, which is the most: send values as variables, and large ` +
        'documents as several operations.',
    )
  }
}
