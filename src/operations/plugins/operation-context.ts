import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Exchange } from '../exchange/exchange.ts'

/**
 * What plugins know of an operation: yoga's context. Resolvers see `api` only, so that nothing of a request reaches
 * them by accident. All of it lives as long as the operation, and a stream may be open for days: it holds no more than
 * this.
 */
export interface OperationContext {
  readonly exchange: Exchange
  /** What the client sent in place of a document, or beside it. Empty: nothing. */
  readonly documentId: string | undefined
  /** The document's text. Before usePersistedOperations it may be empty. */
  readonly text: string
}

/** The same from the time on when the context is built: the document is valid. */
export interface UnderstoodOperation extends OperationContext {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  /** Those that the operation declares, as they were sent. */
  readonly variables: Readonly<Record<string, unknown>> | undefined
  /** What resolvers get as their context. Set by useApiContext. */
  api: object
}

/**
 * A plugin of yoga. Its hooks run in the order of the list in pipeline.ts. onParse and onValidate see an
 * OperationContext; the hooks after them see an UnderstoodOperation. What runs before each operation and waits for
 * nothing wraps the building of the context (`instrumentation.context`), which is a plain call. The hook
 * onContextBuilding runs after all of these. It may return a promise, and costs more (bench/DECISIONS.md).
 */
export type OperationPlugin = Plugin<UnderstoodOperation>
