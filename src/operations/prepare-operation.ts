import { type ExecutionArgs, type ExecutionResult, getOperationAST, GraphQLError, OperationTypeNode } from 'graphql'
import { declaredVariables } from './variables/declared-variables.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { Pipeline } from './pipeline.ts'
import type { GraphQLRequest } from './graphql-request.ts'
import { wrapError } from './results/mask-error.ts'
import type { OperationContext } from './plugins/operation-context.ts'

/** A valid operation with its context. */
export interface PreparedOperation extends ExecutionArgs {
  readonly isSubscription: boolean
  /** Never throws: a failure is a result, masked like any other. */
  readonly run: () => Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>
}

/**
 * Parses, validates and prices an operation by the pipeline's plugins, for every transport.
 * @returns the operation to run, or the errors if it cannot run; never throws
 */
export async function prepareOperation(
  pipeline: Pipeline,
  exchange: Exchange,
  { query, documentId, operationName, variables: given }: GraphQLRequest,
): Promise<PreparedOperation | readonly GraphQLError[]> {
  try {
    // One point before any work, and the points for its objects when they are known: a refused operation was work too.
    const spent = pipeline.spend(exchange, 1)
    if (spent) await spent
    const { schema, documents } = pipeline
    const context: OperationContext = { exchange, text: query, documentId }
    const { parse, validate, contextFactory, execute, subscribe } = pipeline.envelop(context)
    let document = documents.get(context.text)
    if (!document) {
      document = parse(context.text)
      const errors = validate(schema, document)
      // Not cached: errors keep validation's data alive, megabytes if fragments spread each other.
      if (errors.length > 0) return errors
      documents.set(context.text, document)
    }
    const operation = getOperationAST(document, operationName)
    if (!operation) return [new GraphQLError('Name one of the operations of the document in operationName.')]
    // Of the request nothing else is kept while the operation runs.
    const variables = declaredVariables(operation, given)
    Object.assign(context, { document, operation, variables })
    const made = contextFactory()
    // Without a limit on points nothing is waited for.
    const contextValue = made instanceof Promise ? await made : made
    const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION
    const prepared: PreparedOperation = {
      schema,
      document,
      operationName,
      variableValues: variables,
      contextValue,
      isSubscription,
      async run() {
        try {
          return await (isSubscription ? subscribe(prepared) : execute(prepared))
        } catch (error) {
          return pipeline.present(exchange, { errors: [wrapError(error)] })
        }
      },
    }
    return prepared
  } catch (error) {
    return [wrapError(error)]
  }
}
