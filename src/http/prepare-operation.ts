import { type ExecutionArgs, type ExecutionResult, getOperationAST, GraphQLError, OperationTypeNode } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { declaredVariables, requireSmall } from './declared-variables.ts'
import type { Exchange } from './exchange.ts'
import type { Pipeline, Present } from './graphql-pipeline.ts'
import type { GraphQLRequest } from './graphql-request.ts'
import { findCostExcess, objectsOf } from './limits/cost-limit.ts'
import { wrapError } from './mask-error.ts'
import { noteOperation } from './request-log.ts'
import { findVariableErrors, hasLargeObject, isRefused } from './variable-errors.ts'

/** A valid operation with its context. */
export interface PreparedOperation extends ExecutionArgs {
  readonly isSubscription: boolean
  /** Never throws: what fails is a result, presented like any other. */
  readonly run: () => Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>
}

/** Parses and validates by the pipeline, for whichever transport. @returns what to run, or why that can't be; never throws */
export async function prepareOperation(
  pipeline: Pipeline,
  present: Present,
  exchange: Exchange,
  { query, documentId, operationName, variables: given }: GraphQLRequest,
): Promise<PreparedOperation | readonly GraphQLError[]> {
  try {
    // One before anything is done for it, its objects once they are known: also what is refused has been work.
    await present.spend(exchange, 1)
    const { schema } = pipeline
    const { document, errors } = pipeline.read(present.findDocument({ query, documentId }))
    if (errors.length > 0) return errors
    const operation = getOperationAST(document, operationName)
    if (!operation) return [new GraphQLError('Name one of the operations of the document in operationName.')]
    // Of the request nothing else is kept while the operation runs.
    const variables = declaredVariables(operation, given)
    const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION
    if (isSubscription) requireSmall(variables)
    const objects = objectsOf(schema, document, operation, variables ?? {})
    const excess = findCostExcess(objects)
    if (excess) return [excess]
    await present.spend(exchange, objects)
    noteOperation(exchange, document, operation)
    const refusals = hasLargeObject(variables) ? findVariableErrors(schema, operation, variables) : []
    if (refusals.length > 0) return refusals
    const contextValue = pipeline.createContext(exchange)
    const orVariableErrors = (result: ExecutionResult) => {
      const told = isRefused(result) ? findVariableErrors(schema, operation, variables) : []
      return told.length > 0 ? { errors: told } : result
    }
    // One literal: to spread these into what is returned was 3 % of a read's processor time.
    const prepared: PreparedOperation = {
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue,
      isSubscription,
      run: follow(exchange, async () => {
        let leave: (() => void) | undefined
        try {
          if (!isSubscription) return present.result(exchange, orVariableErrors(await pipeline.execute(prepared)))
          leave = present.enterStream(exchange)
          const result = await pipeline.subscribe(prepared, exchange, Math.max(objects, 1))
          if (isAsyncIterable(result)) return present.stream(exchange, result, leave)
          leave()
          return present.result(exchange, orVariableErrors(result))
        } catch (error) {
          leave?.()
          return present.result(exchange, { errors: [wrapError(error)] })
        }
      }),
    }
    return prepared
  } catch (error) {
    return [wrapError(error)]
  }
}

function follow<Result>(exchange: Exchange, run: () => Promise<Result>): () => Promise<Result> {
  const { tracer } = exchange
  return tracer ? () => tracer.operation(exchange, run) : run
}
