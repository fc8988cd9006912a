/** What a typed document says of itself to the compiler: GraphQL Code Generator's and gql.tada's documents have it. */
export interface DocumentTypeDecoration<Result, Variables> {
  __apiType?: (variables: Variables) => Result
}

/** A document of the package graphql that was parsed from a text. */
export interface ParsedDocument {
  readonly kind: 'Document'
  readonly loc?: { readonly source: { readonly body: string } } | undefined
}

/**
 * What `request` sends: a text, a TypedDocumentString of GraphQL Code Generator (documentMode: 'string'), or a document
 * that `gql` or `parse` made and that still knows its text.
 */
export type Document<Result = unknown, Variables = Record<string, unknown>> =
  | string
  | (
      | (DocumentTypeDecoration<Result, Variables> & { toString(): string })
      | (DocumentTypeDecoration<Result, Variables> & ParsedDocument)
    )

/** @returns the text to send. @throws {TypeError} for a document that does not know its text */
export function textOf(document: Document<never, never> | object): string {
  if (typeof document === 'string' || document instanceof String) return document.toString()
  const { body } = (document as ParsedDocument).loc?.source ?? {}
  if (body !== undefined) return body
  throw new TypeError('The document does not know its text. Send a string, or print(document) of the package graphql.')
}
