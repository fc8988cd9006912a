import { type DocumentNode, GraphQLError, parse } from 'graphql'
import { IndexedSource } from '../graphql/indexed-source.ts'

/** GraphiQL's introspection has about 300; a dashboard's document some hundred. */
export const MOST_TOKENS = 2_000

/**
 * 2,000 tokens, each on a line of its own and indented as deep as fields may nest, are 80,000. Comments and line breaks
 * are no tokens.
 */
export const MOST_CHARACTERS = 100_000

/** graphql-js' parse, which stops at the limits: the rest of a document is not even read. @throws GraphQLError */
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
