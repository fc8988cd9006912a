import type { ExecutionArgs, ExecutionResult, GraphQLSchema } from 'graphql'
import { getOperationAST } from 'graphql'
import { findVariableErrors, hasLargeObject, isRefused } from './variable-errors.ts'

/**
 * Runs an operation, and tells what is wrong with its variables in our words. graphql-js' words repeat each value
 * whole.
 */
export class VariableRules {
  readonly #schema: GraphQLSchema

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** Judged before it runs: graphql-js would take seconds to repeat a large object. @returns undefined: it may run */
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
