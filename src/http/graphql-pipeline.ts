import { type DocumentNode, type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql'
import { createYoga, isAsyncIterable, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Fault } from '../fault.ts'
import { DocumentCache } from './document-cache.ts'
import type { Exchange, OperationInfo } from './exchange.ts'
import type { LiveStreams } from './live-streams.ts'
import { maskResult } from './mask-error.ts'
import { logSubscriptionStart, noteOperation } from './request-log.ts'

export interface GraphQLOptions<Ctx extends object> {
  readonly schema: GraphQLSchema
  readonly log: Logger
  readonly debug: boolean
  readonly createContext: (operation: OperationInfo) => Ctx
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
}

/** What an operation is run with, whichever transport brought it. */
export interface OperationContext {
  readonly exchange: Exchange
}

export type Pipeline<Transport extends OperationContext> = YogaServerInstance<Transport, object>

/**
 * The one yoga, for every transport: parse, validate and execute with one cache of documents, one context, one set of limits.
 * Masking is no part of it, since yoga's hook isn't told which request it masks for: each transport passes results through present().
 * @param transport what a transport adds by hooks; they are called for the others' operations too
 */
export function createPipeline<Ctx extends object, Transport extends OperationContext>(
  options: GraphQLOptions<Ctx>,
  transport: Plugin<Transport, Transport>,
): Pipeline<Transport> {
  return createYoga<Transport, object>({
    schema: options.schema,
    context: ({ exchange: { requestId, signal, admitted } }) => {
      if (!admitted) throw new Error('nobody was admitted')
      return options.createContext({ requestId, signal, principal: admitted.principal })
    },
    plugins: [useOperationNotes<Transport>(), transport],
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    parserAndValidationCache: { documentCache: new DocumentCache<DocumentNode>(), errorCache: new DocumentCache() },
    batching: false,
    multipart: false,
    maxRequestBodySize: false, // read-body.ts and the WebSocket's maxPayload hold the limit
  })
}

/** Makes of a result, or of each event of a stream, what a client may read, and notes it in the exchange. */
export type Present = (
  exchange: Exchange,
  result: ExecutionResult | AsyncIterable<ExecutionResult>,
) => ExecutionResult | AsyncIterableIterator<ExecutionResult>

/** @param streams where a stream is kept for as long as it is read */
export function createPresent<Ctx extends object>(
  { log, debug, toFault }: GraphQLOptions<Ctx>,
  streams: LiveStreams,
): Present {
  const mask = (exchange: Exchange, result: ExecutionResult) => {
    const masked = maskResult(result, { requestId: exchange.requestId, log, debug, toFault })
    for (const { extensions } of masked.errors ?? []) exchange.errorCodes.add(String(extensions['code']))
    return masked
  }
  return (exchange, result) => {
    if (!isAsyncIterable<ExecutionResult>(result)) return mask(exchange, result)
    logSubscriptionStart(log, exchange)
    const present = (event: ExecutionResult) => {
      exchange.events += 1
      return mask(exchange, event)
    }
    const stream = streams.track(result, present, exchange.signal)
    exchange.admitted?.watch(stream.over, (fault) => {
      stream.endWith(
        mask(exchange, { data: null, errors: [new GraphQLError(fault.message, { originalError: fault })] }),
      )
    })
    return stream
  }
}

function useOperationNotes<Transport extends OperationContext>(): Plugin<Transport, Transport> {
  return {
    onExecute({ args }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
    },
    onSubscribe({ args }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
    },
  }
}
