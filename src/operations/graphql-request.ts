/** What a client asks to be run, in types as the GraphQL over HTTP specification has them. */
export interface GraphQLRequest {
  /** Empty: the document is named by documentId. */
  readonly query: string
  readonly documentId?: string | undefined
  readonly operationName?: string | null | undefined
  readonly variables?: Record<string, unknown> | null | undefined
}
