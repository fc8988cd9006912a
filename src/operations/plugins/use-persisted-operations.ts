import type { FindDocument } from '../documents/persisted-operations.ts'
import type { OperationPlugin } from './operation-context.ts'

/**
 * Finds the document that a request names by its text or its ID.
 * @throws Fault if there is none or it may not be run
 */
export function usePersistedOperations(findDocument: FindDocument): OperationPlugin {
  return {
    onEnveloped({ context, extendContext }) {
      if (context) extendContext({ text: findDocument({ query: context.text, documentId: context.documentId }) })
    },
  }
}
