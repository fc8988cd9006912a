import type { DocumentNode, OperationDefinitionNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import type { Exchange } from '../exchange/exchange.ts'

/**
 * What plugins know of an operation: yoga's context. Resolvers get only `api`, so that nothing of a request reaches
 * them by accident. It is kept as long as the operation, which may be a stream open for days, so it holds no more than
 * this.
 */
export interface OperationContext {
  readonly exchange: Exchange
  /** The ID of a persisted document, if the client sent one. */
  readonly documentId: string | undefined
  /** The document's text. Before usePersistedOperations it may be empty. */
  readonly text: string
}

/** The context when it is being built and later: the document is valid. */
export interface UnderstoodOperation extends OperationContext {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  /** The variables that the operation declares, as they were sent. */
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
