import type { GraphQLRequest } from '../../operations/graphql-request.ts'
import { documentIdOf } from '../../operations/documents/persisted-operations.ts'
import { RefusedRequest } from './refused-request.ts'

const EXAMPLES = {
  body: '{"query": "...", "variables": {...}}',
  URL: '?query=...&variables={...}, percent-encoded',
}

/**
 * Reads the known members of a request. Others are ignored, as the specification demands: clients add their own.
 * @param source where the members were, for the message
 * @throws RefusedRequest 400 if it is not a valid request:
 * https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters
 */
export function readGraphQLRequest(body: Record<string, unknown>, source: keyof typeof EXAMPLES): GraphQLRequest {
  const { query = '', operationName, variables, extensions } = body
  if (operationName != null && typeof operationName !== 'string')
    throw refuse(source, 'must have a string as operationName')
  if (!isObjectOrNothing(variables)) throw refuse(source, 'must have an object as variables')
  if (!isObjectOrNothing(extensions)) throw refuse(source, 'must have an object as extensions')
  const documentId = documentIdOf({ documentId: body['documentId'], extensions })
  const isNamed = query === null || body['query'] === undefined
  if (isNamed ? documentId === undefined : typeof query !== 'string') {
    throw refuse(source, 'must have a member "query", a string (or "documentId", the ID of a persisted one)')
  }
  return { query: typeof query === 'string' ? query : '', documentId, operationName, variables }
}

function isObjectOrNothing(value: unknown): value is Record<string, unknown> | null | undefined {
  return value == null || (typeof value === 'object' && !Array.isArray(value))
}

function refuse(source: keyof typeof EXAMPLES, what: string): RefusedRequest {
  return new RefusedRequest(400, `The request ${source} ${what}: ${EXAMPLES[source]}.`)
}
