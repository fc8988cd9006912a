import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  validate,
  type ValidationRule,
} from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Fault } from '../fault.ts'
import type { Admitted } from './admission.ts'
import { createCompiledExecution, type Execute } from './compiled-execution.ts'
import { createDocumentCache } from './document-cache.ts'
import type { Exchange, OperationInfo } from './exchange.ts'
import type { CallerRates } from './limits/caller-rates.ts'
import type { CallerStreams } from './limits/caller-streams.ts'
import { findDocumentExcess } from './limits/document-limits.ts'
import { MOST_ERRORS } from './limits/error-limits.ts'
import { EventPace } from './limits/event-pace.ts'
import { EventPayments } from './limits/event-payments.ts'
import { parseTokens } from './limits/parse-tokens.ts'
import type { LiveStreams } from './live-streams.ts'
import { maskResult } from './mask-error.ts'
import type { RequestObserver } from './observer.ts'
import { logSubscriptionStart } from './request-log.ts'
import type { FindDocument } from './persisted-operations.ts'
import { findConditionalRoots } from './subscription-root.ts'
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

/** What a document came to: with errors it can't be run. */
export interface ReadDocument {
  readonly document: DocumentNode
  readonly errors: readonly GraphQLError[]
}

/** What every transport runs operations with. */
export interface Pipeline {
  readonly schema: GraphQLSchema
  /** Parses and validates; a valid text that was read before costs a look-up. @throws GraphQLError for a syntax error or too many tokens */
  read(text: string): ReadDocument
  /** @throws what createContext throws */
  createContext(exchange: Exchange): object
  readonly execute: Execute
  /** @param objects how many objects each event could return */
  subscribe(
    args: ExecutionArgs,
    exchange: Exchange,
    objects: number,
  ): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult>
}

/**
 * One yoga for every transport, with one set of plugins and limits, for documents that are new; what it found is kept. Its HTTP layer
 * is not used, nor its plugins' hooks around each operation, of which we have none: they cost more than all else of a request
 * (docs/adr/0011-shared-results.md, 0014-speed.md).
 * Masking is no part of it, since yoga's hook isn't told which request it masks for: each transport passes results through Present.
 * @param rates what callers pay for events and scans
 */
export function createPipeline<Ctx extends object>(options: GraphQLOptions<Ctx>, rates: CallerRates): Pipeline {
  const { schema, createContext } = options
  const yoga = createYoga({
    schema,
    plugins: [useLimits(options.introspection ?? true)],
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    parserAndValidationCache: false,
    batching: false,
    multipart: false,
  })
  const { parse, validate: judge } = yoga.getEnveloped({})
  const known = createDocumentCache<ReadDocument>()
  const payments = rates.isFree ? undefined : new EventPayments(rates)
  const subscribe = createSharedSubscribe({ pace: new EventPace(), payments })
  const charge = (subject: string, points: number) => {
    rates.charge(subject, points)
  }
  return {
    schema,
    read(text) {
      let read = known.get(text)
      if (read === undefined) {
        const document = parse(text) as DocumentNode
        read = { document, errors: judge(schema, document) as readonly GraphQLError[] }
        // Errors keep what validation made alive: megabytes, where fragments spread each other.
        if (read.errors.length === 0) known.set(text, read)
      }
      return read
    },
    createContext(exchange) {
      const { requestId, admitted, operationType, lastEventId } = exchange
      if (!admitted) throw new Error('nobody was admitted')
      const isStream = operationType === 'subscription'
      return createContext({ requestId, principal: admitted.principal, isStream, lastEventId, charge })
    },
    execute: createCompiledExecution(schema),
    subscribe: (args, { admitted }, objects) =>
      subscribe(args, nameReach(admitted), { subject: admitted?.principal.subject ?? '', objects }),
  }
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
      const stream = streams.track(events, present, exchange.departure.signal)
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

/** Where there are more errors, graphql-js adds one that says so. Suggestions would tell names of the schema. */
const VALIDATION = { maxErrors: MOST_ERRORS, hideSuggestions: true }

function useLimits(introspection: boolean): Plugin {
  return {
    onParse({ setParseFn }) {
      setParseFn(parseTokens)
    },
    onValidate({ setValidationFn }) {
      setValidationFn((schema: GraphQLSchema, document: DocumentNode, rules?: readonly ValidationRule[]) => {
        const excess = findDocumentExcess(document, { introspection })
        // Before graphql-js' own rule for this, which throws where the directive has a variable.
        const errors = excess.length > 0 ? excess : findConditionalRoots(document)
        return errors.length > 0 ? errors : validate(schema, document, rules, VALIDATION)
      })
    },
  }
}

/** Who sees the same may be told the same. */
function nameReach(admitted: Admitted | undefined): string {
  const reach = admitted?.principal.userIds ?? new Set()
  return reach === 'all' ? reach : JSON.stringify([...reach].sort())
}
