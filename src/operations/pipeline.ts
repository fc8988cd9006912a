import type { DocumentNode, ExecutionArgs, ExecutionResult, GraphQLError, GraphQLSchema } from 'graphql'
import { createYoga } from 'graphql-yoga'
import type { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { Fault } from '../errors/fault.ts'
import { createDocumentCache } from './documents/document-cache.ts'
import type { Exchange, OperationInfo } from './exchange/exchange.ts'
import type { CallerRates } from '../limits/caller-rates.ts'
import type { CallerStreams } from '../limits/caller-streams.ts'
import type { PageSizes } from '../limits/cost.ts'
import { maskResult } from './results/mask-error.ts'
import type { RequestObserver } from './exchange/observer.ts'
import type { FindDocument } from './documents/persisted-operations.ts'
import type { OperationContext, OperationPlugin, UnderstoodOperation } from './plugins/operation-context.ts'
import { useApiContext } from './plugins/use-api-context.ts'
import { useCompiledExecution } from './plugins/use-compiled-execution.ts'
import { useCost } from './plugins/use-cost.ts'
import { useLimits } from './plugins/use-limits.ts'
import { useLiveStreams } from './plugins/use-live-streams.ts'
import { useMaskedFaults } from './plugins/use-masked-faults.ts'
import { useMetrics } from './plugins/use-metrics.ts'
import { usePersistedOperations } from './plugins/use-persisted-operations.ts'
import { useRateLimit } from './plugins/use-rate-limit.ts'
import { useRequestLog } from './plugins/use-request-log.ts'
import { useSharedSubscriptions } from './plugins/use-shared-subscriptions.ts'
import { useTracing } from './plugins/use-tracing.ts'
import type { RequestTracer } from './exchange/request-tracer.ts'

export interface PipelineOptions {
  readonly schema: GraphQLSchema
  readonly log: Logger
  readonly debug: boolean
  readonly createContext: (operation: OperationInfo) => object
  /** The page sizes of lists, by which the cost limit prices them. */
  readonly pageSizes: PageSizes
  /** Whether clients may query the schema. Default: true. */
  readonly introspection?: boolean
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
  /** Observes each operation. Default: none. */
  readonly observer?: RequestObserver | undefined
  /** Traces operations. Default: none. */
  readonly tracer?: RequestTracer | undefined
}

/** The limits of each caller over all transports: its points and its open subscriptions. */
export interface Callers {
  readonly streams: CallerStreams
  readonly rates: CallerRates
}

/** The functions that yoga gives for one operation: each runs the plugins' hooks. */
export interface Enveloped {
  readonly parse: (text: string) => DocumentNode
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => readonly GraphQLError[]
  readonly contextFactory: () => UnderstoodOperation | Promise<UnderstoodOperation>
  readonly execute: (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>
  readonly subscribe: (args: ExecutionArgs) => Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>
}

/** Runs operations, for every transport. */
export interface Pipeline {
  readonly schema: GraphQLSchema
  /** Documents that were parsed and are valid. Parsing and validation must depend on the text alone. */
  readonly documents: LRUCache<string, DocumentNode>
  envelop(context: OperationContext): Enveloped
  /** Makes the result that a client may read, and stores the codes of its errors in the exchange. */
  present(exchange: Exchange, result: ExecutionResult): ExecutionResult
  /**
   * Takes points from the caller.
   * @returns undefined if there is no limit
   * @throws Fault RATE_LIMITED
   */
  spend(exchange: Exchange, points: number): Promise<void> | undefined
}

/**
 * Makes one yoga for all transports. Each concern of Waymark around an operation is a plugin in a file of its own. To
 * add one, write it beside the others and list it here.
 *
 * A document that was read before does not run the hooks of parsing and validation, which would cost a read by key
 * 20 µs. yoga's HTTP layer is not used. The figures: docs/adr/0003-http.md.
 */
export function createPipeline(options: PipelineOptions, callers: Callers, findDocument: FindDocument): Pipeline {
  const { schema, log, debug, toFault, observer, tracer, introspection = true } = options
  function present(exchange: Exchange, result: ExecutionResult): ExecutionResult {
    const masked = maskResult(result, { requestId: exchange.requestId, log, debug, toFault })
    for (const { extensions } of masked.errors ?? []) exchange.errorCodes.add(String(extensions['code']))
    return masked
  }
  function presentEvent(exchange: Exchange, event: ExecutionResult): ExecutionResult {
    exchange.events += 1
    observer?.onEvent(exchange)
    return present(exchange, event)
  }
  const plugins: OperationPlugin[] = [
    usePersistedOperations(findDocument),
    useLimits({ introspection }),
    useCost(schema, options.pageSizes),
    ...(callers.rates.isFree ? [] : [useRateLimit(callers.rates)]),
    useRequestLog(log),
    useApiContext(options.createContext, callers.rates),
    useCompiledExecution(schema),
    useSharedSubscriptions(schema, callers.rates),
    useLiveStreams(callers.streams, presentEvent),
    ...(observer ? [useMetrics(observer)] : []),
    ...(tracer ? [useTracing(tracer)] : []),
    // Last: it masks what all others return.
    useMaskedFaults(present),
  ]
  const yoga = createYoga({
    schema,
    plugins,
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    parserAndValidationCache: false,
    batching: false,
    multipart: false,
  })
  return {
    schema,
    documents: createDocumentCache(),
    // yoga's type does not type the arguments of its functions.
    envelop: (context) => yoga.getEnveloped(context) as unknown as Enveloped,
    present,
    spend: ({ admitted }, points) => callers.rates.spend(admitted?.principal.subject ?? '', points),
  }
}
