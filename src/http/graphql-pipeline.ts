import { type DocumentNode, execute, type ExecutionResult, type GraphQLSchema } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Fault } from '../fault.ts'
import { DocumentCache } from './document-cache.ts'
import type { Exchange, RequestInfo } from './exchange.ts'
import type { LiveStreams } from './live-streams.ts'
import { maskResult } from './mask-error.ts'
import { logSubscriptionStart, noteOperation } from './request-log.ts'
import { createSharedSubscribe, type SharedSubscribe } from './shared-results.ts'

export interface GraphQLOptions<Ctx extends object> {
  readonly schema: GraphQLSchema
  readonly log: Logger
  readonly debug: boolean
  readonly createContext: (request: RequestInfo) => Ctx
  /** Names what the operation's caller may see: subscribers for whom it is equal are told the same results. */
  readonly reachOf: (context: Ctx) => string
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
}

/** What an operation is run with, whichever transport brought it. */
export interface OperationContext {
  readonly exchange: Exchange
}

export type Pipeline = YogaServerInstance<OperationContext, object>

/**
 * The one yoga, for every transport: parse, validate and execute with one cache of documents, one context, one set of limits. Its
 * HTTP layer is not used: it costs more than all else of a request (docs/adr/0011-shared-results.md).
 * Masking is no part of it, since yoga's hook isn't told which request it masks for: each transport passes results through Present.
 */
export function createPipeline<Ctx extends object>(options: GraphQLOptions<Ctx>): Pipeline {
  return createYoga<OperationContext, object>({
    schema: options.schema,
    context: ({ exchange: { requestId, signal } }) => options.createContext({ requestId, signal }),
    plugins: [useOperationNotes(), useExecution(createSharedSubscribe((context) => options.reachOf(context as Ctx)))],
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    parserAndValidationCache: { documentCache: new DocumentCache<DocumentNode>(), errorCache: new DocumentCache() },
    batching: false,
    multipart: false,
  })
}

/** Makes of what an operation came to what a client may read, and notes it in the exchange. */
export interface Present {
  result(exchange: Exchange, result: ExecutionResult): ExecutionResult
  stream(exchange: Exchange, events: AsyncIterable<ExecutionResult>): AsyncIterableIterator<ExecutionResult>
}

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
  return {
    result: mask,
    stream(exchange, events) {
      logSubscriptionStart(log, exchange)
      const present = (event: ExecutionResult) => {
        exchange.events += 1
        return mask(exchange, event)
      }
      return streams.track(events, present, exchange.signal)
    },
  }
}

function useOperationNotes(): Plugin<OperationContext, OperationContext> {
  return {
    onExecute({ args }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
    },
    onSubscribe({ args }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
    },
  }
}

/** graphql-js' own functions, which are 10 % faster than yoga's. */
function useExecution(subscribe: SharedSubscribe): Plugin {
  return {
    onExecute({ setExecuteFn }) {
      setExecuteFn(execute)
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(subscribe)
    },
  }
}
