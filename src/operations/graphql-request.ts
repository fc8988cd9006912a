/** A client's request, with the types of the GraphQL over HTTP specification. */
export interface GraphQLRequest {
  /** Empty: documentId names the document. */
  readonly query: string
  readonly documentId?: string | undefined
  readonly operationName?: string | null | undefined
  readonly variables?: Record<string, unknown> | null | undefined
}
