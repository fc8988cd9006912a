import { type ExecutionArgs, GraphQLError } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { CloseCode, type ServerOptions, type SubscribePayload } from 'graphql-ws'
import { Fault } from '../errors/fault.ts'
import type { Credentials } from '../identity/principal.ts'
import type { Admit, Admitted } from '../operations/exchange/admission.ts'
import { cursorOf } from '../operations/streams/event-cursor.ts'
import type { Exchange } from '../operations/exchange/exchange.ts'
import type { Pipeline } from '../operations/pipeline.ts'
import { wrapError } from '../operations/results/mask-error.ts'
import { documentIdOf } from '../operations/documents/persisted-operations.ts'
import { type PreparedOperation, prepareOperation } from '../operations/prepare-operation.ts'
import { formatError } from '../operations/results/result-text.ts'
import type { SocketOperations } from './operations.ts'

/** The most operations of one socket at once. Each holds its loaders, and a place in the feed if it subscribes. */
const MOST_OPERATIONS = 100
/**
 * Clients of graphql-ws reconnect after it:
 * https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
 */
export const TRY_AGAIN_LATER = 1013

/** The `extra` of the hooks' contexts. */
export interface SocketContext {
  readonly operations: SocketOperations
  /** The credentials of the upgrade request. The connection parameters replace them if they have some. */
  credentials: Credentials
  readonly close: (code: number, reason: string) => void
  /** Called when the client is authenticated. */
  readonly onAdmitted: (admitted: Admitted) => void
  /** Called when one of the operations has become an event stream. */
  readonly onStream: () => void
}

/**
 * Makes graphql-ws run operations through the pipeline, each with an exchange of its own. A failure is answered to its
 * operation, masked. By itself graphql-ws would close the whole socket, with the error's message as the reason.
 */
export function createSocketHooks(
  pipeline: Pipeline,
  admit: Admit,
  initTimeoutMs: number,
): ServerOptions<Record<string, unknown> | undefined, SocketContext> {
  const run = (args: ExecutionArgs) => (args as PreparedOperation).run()
  async function prepare(exchange: Exchange, payload: SubscribePayload, credentials: Credentials) {
    try {
      // Checked for each operation: a socket may outlive a key.
      exchange.admitted = await admit(credentials)
    } catch (error) {
      return [wrapError(error)]
    }
    return prepareOperation(pipeline, exchange, { ...payload, documentId: documentIdOf(payload) })
  }

  return {
    connectionInitWaitTimeout: initTimeoutMs,
    async onConnect(context) {
      const { extra, connectionParams } = context
      const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization']
      // graphql-ws would keep the parameters as long as the socket.
      Object.assign(context, { connectionParams: undefined })
      if (typeof given === 'string') extra.credentials = { authorization: given }
      try {
        extra.onAdmitted(await admit(extra.credentials))
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
      const prepared = isTooMany ? [tooManyOperations()] : await prepare(exchange, payload, credentials)
      // graphql-ws keeps the payload as long as the operation runs, so it is emptied.
      for (const member of Object.keys(payload)) Reflect.deleteProperty(payload, member)
      operations.onPrepared(payload)
      if ('run' in prepared) return prepared
      const errors = presentErrors(pipeline, exchange, prepared)
      operations.end(payload)
      return errors
    },
    execute: run,
    subscribe: run,
    onOperation({ extra }, _id, _payload, _args, result) {
      if (isAsyncIterable(result)) extra.onStream()
    },
    onNext({ extra: { operations } }, _id, payload, _args, result) {
      const exchange = operations.find(payload)
      if (exchange) exchange.cursor = cursorOf(result) ?? exchange.cursor
      return result.errors && { ...result, errors: result.errors.map(formatError) }
    },
    onError({ extra: { operations } }, _id, payload, errors) {
      const exchange = operations.find(payload)
      // If there is no exchange, onSubscribe has presented the errors already.
      const presented = exchange === undefined ? errors : presentErrors(pipeline, exchange, errors)
      operations.end(payload)
      return presented.map(formatError)
    },
    onComplete({ extra: { operations } }, _id, payload) {
      operations.end(payload)
    },
  }
}

function presentErrors(
  pipeline: Pipeline,
  exchange: Exchange,
  errors: readonly GraphQLError[],
): readonly GraphQLError[] {
  return pipeline.present(exchange, { errors }).errors ?? []
}

function tooManyOperations(): GraphQLError {
  const message = `This socket carries ${MOST_OPERATIONS} operations already: complete one, or open another socket.`
  return new GraphQLError(message, { originalError: new Fault('BAD_USER_INPUT', message) })
}
