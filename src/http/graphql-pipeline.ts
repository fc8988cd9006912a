import {
  type DocumentNode,
  execute,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  validate,
  type ValidationRule,
} from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Fault } from '../fault.ts'
import type { Admitted } from './admission.ts'
import { DocumentCache } from './document-cache.ts'
import type { Exchange, OperationInfo } from './exchange.ts'
import type { CallerRates } from './limits/caller-rates.ts'
import type { CallerStreams } from './limits/caller-streams.ts'
import { findDocumentExcess } from './limits/document-limits.ts'
import { parseTokens } from './limits/parse-tokens.ts'
import type { LiveStreams } from './live-streams.ts'
import { maskResult } from './mask-error.ts'
import type { RequestObserver } from './observer.ts'
import { logSubscriptionStart } from './request-log.ts'
import type { FindDocument } from './persisted-operations.ts'
import { createSharedSubscribe } from './shared-results.ts'
import { slowClientResult } from './slow-client.ts'

export interface GraphQLOptions<Ctx extends object> {
  readonly schema: GraphQLSchema
  readonly log: Logger
  readonly debug: boolean
  readonly createContext: (operation: OperationInfo) => Ctx
  /** Whether clients may ask for the schema. Default: they may. */
  readonly introspection?: boolean
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
  /** Default: nobody watches. */
  readonly observer?: RequestObserver | undefined
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
    context: ({ exchange: { requestId, signal, admitted, operationType } }) => {
      if (!admitted) throw new Error('nobody was admitted')
      const isStream = operationType === 'subscription'
      return options.createContext({ requestId, signal, principal: admitted.principal, isStream })
    },
    plugins: [useLimits(options.introspection ?? true), useExecution()],
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
  /** What a stream ends with whose client takes nothing. @param cursor of the last event that was sent */
  slow(exchange: Exchange, cursor: string | undefined): ExecutionResult
  /** Which document a request means. */
  readonly findDocument: FindDocument
  /** Takes points off the caller's minute. @throws Fault RATE_LIMITED */
  spend(exchange: Exchange, points: number): Promise<void>
  /** Takes a place for a stream, before its source exists. @returns gives it back @throws Fault RATE_LIMITED */
  enterStream(exchange: Exchange): () => void
  /** @param leave gives the stream's place back: called when it is over */
  stream(
    exchange: Exchange,
    events: AsyncIterable<ExecutionResult>,
    leave: () => void,
  ): AsyncIterableIterator<ExecutionResult>
}

/**
 * @param streams where a stream is kept for as long as it is read
 * @param callers counts what each caller asks for, and its streams, over all transports
 */
export function createPresent<Ctx extends object>(
  { log, debug, toFault, observer }: GraphQLOptions<Ctx>,
  streams: LiveStreams,
  callers: { readonly streams: CallerStreams; readonly rates: CallerRates },
  findDocument: FindDocument,
): Present {
  const mask = (exchange: Exchange, result: ExecutionResult) => {
    const masked = maskResult(result, { requestId: exchange.requestId, log, debug, toFault })
    for (const { extensions } of masked.errors ?? []) exchange.errorCodes.add(String(extensions['code']))
    return masked
  }
  return {
    result: mask,
    slow(exchange, cursor) {
      const result = slowClientResult(cursor)
      for (const { extensions } of result.errors ?? []) exchange.errorCodes.add(String(extensions['code']))
      return result
    },
    findDocument,
    spend: ({ admitted }, points) => callers.rates.spend(admitted?.principal.subject ?? '', points),
    enterStream: ({ admitted }) => callers.streams.enter(admitted?.principal.subject ?? ''),
    stream(exchange, events, leave) {
      logSubscriptionStart(log, exchange)
      if (exchange.isStreaming) observer?.onAnswered(exchange, 'OK')
      // A trace is sent when it is over, and a stream may be open for days.
      exchange.trace?.end(200)
      const present = (event: ExecutionResult) => {
        exchange.events += 1
        observer?.onEvent(exchange)
        return mask(exchange, event)
      }
      const stream = streams.track(events, present, exchange.signal)
      if (stream.over.aborted) leave()
      else stream.over.addEventListener('abort', leave, { once: true })
      exchange.admitted?.watch(stream.over, (fault) => {
        stream.endWith(
          mask(exchange, { data: null, errors: [new GraphQLError(fault.message, { originalError: fault })] }),
        )
      })
      return stream
    },
  }
}

function useLimits(introspection: boolean): Plugin<OperationContext, OperationContext> {
  return {
    onParse({ setParseFn }) {
      setParseFn(parseTokens)
    },
    onValidate({ setValidationFn }) {
      setValidationFn((schema: GraphQLSchema, document: DocumentNode, rules?: readonly ValidationRule[]) => {
        const errors = findDocumentExcess(document, { introspection })
        return errors.length > 0 ? errors : validate(schema, document, rules)
      })
    },
  }
}

/** graphql-js' own functions, which are 10 % faster than yoga's. */
function useExecution(): Plugin<OperationContext, OperationContext> {
  const subscribe = createSharedSubscribe((context) => nameReach((context as OperationContext).exchange.admitted))
  return {
    onExecute({ setExecuteFn }) {
      setExecuteFn(execute)
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(subscribe)
    },
  }
}

/** Who sees the same may be told the same. */
function nameReach(admitted: Admitted | undefined): string {
  const reach = admitted?.principal.userIds ?? new Set()
  return reach === 'all' ? reach : JSON.stringify([...reach].sort())
}
