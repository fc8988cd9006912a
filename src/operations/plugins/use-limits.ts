import { type DocumentNode, type GraphQLSchema, validate, type ValidationRule } from 'graphql'
import { findDocumentExcess } from '../../limits/document-limits.ts'
import { MOST_ERRORS } from '../../limits/error-limits.ts'
import { parseTokens } from '../../limits/parse-tokens.ts'
import { findConditionalRoots } from '../documents/subscription-root.ts'
import type { OperationPlugin } from './operation-context.ts'

/** If there are more errors, graphql-js adds one that says so. Suggestions would reveal names of the schema. */
const VALIDATION = { maxErrors: MOST_ERRORS, hideSuggestions: true }

/** Refuses documents that are too large, before and instead of validating them (docs/limits.md). */
export function useLimits({ introspection }: { readonly introspection: boolean }): OperationPlugin {
  return {
    onParse({ setParseFn }) {
      setParseFn(parseTokens)
    },
    onValidate({ setValidationFn }) {
      setValidationFn((schema: GraphQLSchema, document: DocumentNode, rules?: readonly ValidationRule[]) => {
        const excess = findDocumentExcess(document, { introspection })
        // Checked before graphql-js' own rule for this, which throws if the directive has a variable.
        const errors = excess.length > 0 ? excess : findConditionalRoots(document)
        return errors.length > 0 ? errors : validate(schema, document, rules, VALIDATION)
      })
    },
  }
}
