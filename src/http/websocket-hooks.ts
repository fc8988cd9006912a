import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  OperationTypeNode,
} from 'graphql'
import { CloseCode, type ServerOptions, type SubscribePayload } from 'graphql-ws'
import { Fault } from '../fault.ts'
import type { Admit, Admitted, Credentials } from './admission.ts'
import type { Exchange } from './exchange.ts'
import type { OperationContext, Pipeline, Present } from './graphql-pipeline.ts'
import type { SocketOperations } from './websocket-operations.ts'

/** Of one socket at once: each holds its loaders, and a place in the feed if it watches. */
const MOST_OPERATIONS = 100
const INIT_TIMEOUT_MS = 10_000
/** https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number: clients of graphql-ws connect again after it. */
const TRY_AGAIN_LATER = 1013

/** What the hooks find in `extra`. */
export interface SocketContext {
  readonly operations: SocketOperations
  /** Of the upgrade; the connection parameters may bring others. */
  credentials: Credentials
  readonly close: (code: number, reason: string) => void
}

/** What graphql-ws executes: its arguments, and how the pipeline runs this operation. */
interface PipelineArgs extends ExecutionArgs {
  readonly run: (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>
}

/**
 * Lets graphql-ws run operations through the pipeline, each with an exchange of its own. What fails is an answer to its operation,
 * masked: by itself graphql-ws closes the whole socket, with what was thrown as the reason.
 */
export function createSocketHooks(
  pipeline: Pipeline<OperationContext>,
  present: Present,
  admit: Admit,
): ServerOptions<Record<string, unknown> | undefined, SocketContext> {
  const run = (args: ExecutionArgs) => (args as PipelineArgs).run(args)
  return {
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    async onConnect({ extra, connectionParams }) {
      const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization']
      if (typeof given === 'string') extra.credentials = { authorization: given }
      try {
        await admit(extra.credentials)
        return true
      } catch (error) {
        const isUnknown = error instanceof Fault && error.code === 'UNAUTHENTICATED'
        extra.close(
          isUnknown ? CloseCode.Unauthorized : TRY_AGAIN_LATER,
          isUnknown ? 'Unauthorized' : 'Try again later',
        )
        return false
      }
    },
    async onSubscribe({ extra: { operations, credentials } }, _id, payload) {
      const isTooMany = operations.size >= MOST_OPERATIONS
      const exchange = operations.begin(payload)
      const prepared = isTooMany
        ? [tooManyOperations()]
        : await prepare(pipeline, present, exchange, payload, () => admit(credentials))
      if ('run' in prepared) return prepared
      const errors = presentErrors(present, exchange, prepared)
      operations.end(payload)
      return errors
    },
    execute: run,
    subscribe: run,
    onNext: (_context, _id, _payload, _args, { errors, ...result }) =>
      errors && { ...result, errors: errors.map(formatError) },
    onError({ extra: { operations } }, _id, payload, errors) {
      const exchange = operations.find(payload)
      // undefined: onSubscribe has presented them.
      const presented = exchange === undefined ? errors : presentErrors(present, exchange, errors)
      operations.end(payload)
      return presented.map(formatError)
    },
    onComplete({ extra: { operations } }, _id, payload) {
      operations.end(payload)
    },
  }
}

/** What to execute, or why that can't be. */
async function prepare(
  pipeline: Pipeline<OperationContext>,
  present: Present,
  exchange: Exchange,
  { query, operationName, variables: variableValues }: SubscribePayload,
  admitAgain: () => Promise<Admitted>,
): Promise<PipelineArgs | readonly GraphQLError[]> {
  try {
    // Anew for each operation: a socket lives longer than a key may.
    exchange.admitted = await admitAgain()
    const enveloped = pipeline.getEnveloped({ exchange })
    const schema = enveloped.schema as GraphQLSchema
    const document = enveloped.parse(query) as DocumentNode
    const errors = enveloped.validate(schema, document) as readonly GraphQLError[]
    if (errors.length > 0) return errors
    const operation = getOperationAST(document, operationName)
    if (!operation) return [new GraphQLError('Name one of the operations of the document in operationName.')]
    const execute = operation.operation === OperationTypeNode.SUBSCRIPTION ? enveloped.subscribe : enveloped.execute
    const contextValue: object = await enveloped.contextFactory()
    return {
      ...{ schema, document, operationName, variableValues, contextValue },
      run: async (args) => {
        try {
          return present(exchange, (await execute(args)) as ExecutionResult | AsyncIterable<ExecutionResult>)
        } catch (error) {
          return present(exchange, { errors: [toGraphQLError(error)] })
        }
      },
    }
  } catch (error) {
    return [toGraphQLError(error)]
  }
}

function presentErrors(present: Present, exchange: Exchange, errors: readonly GraphQLError[]): readonly GraphQLError[] {
  const presented = present(exchange, { errors })
  return 'errors' in presented && presented.errors ? presented.errors : []
}

/** Without the HTTP status that a masked error carries. */
function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...formatted } = error.toJSON()
  const { http: _http, ...told } = extensions ?? {}
  return { ...formatted, extensions: told }
}

function toGraphQLError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error
  return new GraphQLError('', { originalError: error instanceof Error ? error : new Error(String(error)) })
}

function tooManyOperations(): GraphQLError {
  const message = `This socket carries ${MOST_OPERATIONS} operations already: complete one, or open another socket.`
  return toGraphQLError(new Fault('BAD_USER_INPUT', message))
}
