import type { ExecutionArgs, ExecutionResult, GraphQLSchema } from 'graphql'
import { getOperationAST } from 'graphql'
import { findVariableErrors, hasLargeObject, isRefused } from './variable-errors.ts'

/** Reports errors of variables in our own messages, since graphql-js' messages repeat each value in full. */
export class VariableRules {
  readonly #schema: GraphQLSchema

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /**
   * Checked before the operation runs: graphql-js would take seconds to repeat a large object.
   * @returns undefined if it may run
   */
  refuseLarge(args: ExecutionArgs): ExecutionResult | undefined {
    return hasLargeObject(args.variableValues) ? this.#errorsOf(args) : undefined
  }

  inOurWords<Result extends object>(result: Result, args: ExecutionArgs): Result | ExecutionResult {
    return isRefused(result) ? (this.#errorsOf(args) ?? result) : result
  }

  #errorsOf({ document, operationName, variableValues }: ExecutionArgs): ExecutionResult | undefined {
    const operation = getOperationAST(document, operationName)
    const errors = operation ? findVariableErrors(this.#schema, operation, variableValues) : []
    return errors.length > 0 ? { errors } : undefined
  }
}
