import { type DocumentNode, GraphQLError, parse } from 'graphql'

/** GraphiQL's introspection has about 300; a dashboard's document some hundred. */
export const MOST_TOKENS = 2_000

/** graphql-js' parse, which stops at the limit: the rest of a document is not even read. @throws GraphQLError */
export function parseTokens(source: Parameters<typeof parse>[0]): DocumentNode {
  try {
    return parse(source, { maxTokens: MOST_TOKENS })
  } catch (error) {
    if (!(error instanceof GraphQLError) || !error.message.endsWith('tokens. Parsing aborted.')) throw error
    throw new GraphQLError(
      `This document has more than ${MOST_TOKENS} tokens, which is the most: send values as variables, and large ` +
        'documents as several operations.',
    )
  }
}
