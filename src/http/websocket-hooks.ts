import { type ExecutionArgs, GraphQLError } from 'graphql'
import type { ServerOptions } from 'graphql-ws'
import { Fault } from '../fault.ts'
import type { Exchange } from './exchange.ts'
import type { Pipeline, Present } from './graphql-pipeline.ts'
import { type PreparedOperation, prepareOperation } from './prepare-operation.ts'
import { formatError } from './result-text.ts'
import type { SocketOperations } from './websocket-operations.ts'

/** Of one socket at once: each holds its loaders, and a place in the feed if it watches. */
const MOST_OPERATIONS = 100
const INIT_TIMEOUT_MS = 10_000

/** What the hooks find in `extra`. */
export interface SocketContext {
  readonly operations: SocketOperations
}

/**
 * Lets graphql-ws run operations through the pipeline, each with an exchange of its own. What fails is an answer to its operation,
 * masked: by itself graphql-ws closes the whole socket, with what was thrown as the reason.
 */
export function createSocketHooks(
  pipeline: Pipeline,
  present: Present,
): ServerOptions<Record<string, unknown> | undefined, SocketContext> {
  const run = (args: ExecutionArgs) => (args as PreparedOperation).run()
  return {
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    async onSubscribe({ extra: { operations } }, _id, payload) {
      const isTooMany = operations.size >= MOST_OPERATIONS
      const exchange = operations.begin(payload)
      const prepared = isTooMany ? [tooManyOperations()] : await prepareOperation(pipeline, present, exchange, payload)
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

function presentErrors(present: Present, exchange: Exchange, errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return present.result(exchange, { errors }).errors ?? []
}

function tooManyOperations(): GraphQLError {
  const message = `This socket carries ${MOST_OPERATIONS} operations already: complete one, or open another socket.`
  return new GraphQLError(message, { originalError: new Fault('BAD_USER_INPUT', message) })
}
