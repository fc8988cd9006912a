import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import type { Fault } from '../errors/fault.ts'
import { StartupError } from '../errors/startup-error.ts'
import { localOperator } from '../identity/principal.ts'
import { type Admit, shedding } from '../operations/exchange/admission.ts'
import { Connections } from './connections.ts'
import type { AllowedOrigins } from './requests/cors.ts'
import type { OperationInfo } from '../operations/exchange/exchange.ts'
import { createGraphQLEndpoint } from './graphql-endpoint.ts'
import { createPipeline } from '../operations/pipeline.ts'
import type { Readiness } from './health.ts'
import { CallerRates } from '../limits/caller-rates.ts'
import { CallerStreams } from '../limits/caller-streams.ts'
import type { PageSizes } from '../limits/cost.ts'
import { RECEIPT_TIMES, type ReceiptTimes } from '../limits/receipt-times.ts'
import { LiveStreams } from '../operations/streams/live-streams.ts'
import type { RequestObserver } from '../operations/exchange/observer.ts'
import { createFindDocument } from '../operations/documents/persisted-operations.ts'
import { RefusedRequest } from './requests/refused-request.ts'
import type { RequestTracer } from '../operations/exchange/request-tracer.ts'
import { createRouter, type FindRefusal } from './router.ts'
import { listenForUpgrades } from './upgrade.ts'
import { VanishedPeers } from '../sse/vanished-peers.ts'
import { createWebSocketEndpoint, type WebSocketEndpoint } from '../websocket/endpoint.ts'
import { asksForWebSocket, findUpgradeRefusal } from '../websocket/upgrade.ts'

export interface HttpServerOptions<Ctx extends object> {
  readonly host: string
  /** 0 lets the system choose a free one. */
  readonly port: number
  readonly schema: GraphQLSchema
  readonly log: Logger
  /** Adds stack traces of server faults to the log. Never changes what a client sees. */
  readonly debug: boolean
  /** Called once for each operation. What it throws is masked like any other error. */
  readonly createContext: (operation: OperationInfo) => Ctx
  /** How long the pages of lists are, which prices them. */
  readonly pageSizes: PageSizes
  /** Whether clients may ask for the schema. Default: they may. */
  readonly introspection?: boolean
  /** Whether a browser that opens /graphql gets GraphiQL. Default: it does. */
  readonly graphiql?: boolean
  /** Subscriptions that one caller may have open here. Default: 1,000. */
  readonly maxStreamsPerCaller?: number
  /** Points that one caller may spend here in a minute: see CallerRates. Default: 0, any number. */
  readonly ratePointsPerMinute?: number
  /** How long that minute is; tests have less time. Default: 60. */
  readonly rateMinuteSeconds?: number | undefined
  /** Documents that clients may name, by ID; and whether nothing else is run. Default: none, and everything is. */
  readonly persistedOperations?: ReadonlyMap<string, string> | undefined
  readonly persistedOnly?: boolean
  /** How long clients may take to send what they ask. Default: RECEIPT_TIMES. */
  readonly receiptTimes?: ReceiptTimes
  /** Sites whose pages may send operations. Default: none but the server's own. */
  readonly allowedOrigins?: readonly string[]
  /** Headers that they may send beside those that clients of GraphQL send, in lower case. Default: no others. */
  readonly allowedHeaders?: readonly string[]
  /** Whether large answers are compressed. Default: they are. */
  readonly compression?: boolean
  /** Asked about each request that would be executed, and each operation over a WebSocket. Default: the local operator. */
  readonly admit?: Admit
  /** Whether a request with this Host header is served. Default: any. */
  readonly allowsHost?: (host: string | undefined, port: number) => boolean
  /** Told of each operation. Default: nobody is. */
  readonly observer?: RequestObserver | undefined
  /** Why nothing new is begun just now; undefined: it is. Default: always. */
  readonly findOverload?: () => Fault | undefined
  /** Follows operations. Default: nobody does. */
  readonly tracer?: RequestTracer | undefined
  /** Asked by each GET /ready. */
  readonly isReady: () => Promise<Readiness>
  /** Recognises other layers' errors as faults that a client may read; undefined: not one, so it is masked. */
  readonly toFault?: (error: unknown) => Fault | undefined
}

export interface HttpServer {
  /** Of the GraphQL endpoint: http://host:port/graphql */
  readonly url: string
  readonly port: number
  /** What is open now. */
  state(): HttpState
  /**
   * Refuses new connections, ends event streams and closes WebSockets at once, waits up to drainTimeoutMs for what is in flight, then
   * cuts what is left. Resolves when every socket is closed. Calling it again returns the same promise.
   */
  close(options: { drainTimeoutMs: number }): Promise<void>
}

/** Everything that a client may hold open. */
export interface HttpState {
  /** Sockets, those that carry a WebSocket too. */
  readonly connections: number
  readonly webSockets: number
  /** Subscriptions, by what carries them. */
  readonly streams: { readonly sse: number; readonly websocket: number }
}

/**
 * Serves GraphQL (HTTP, event streams, WebSocket) and GraphiQL at /graphql, and /health and /ready.
 * @throws StartupError where the address can't be listened on
 */
export async function startHttpServer<Ctx extends object>(options: HttpServerOptions<Ctx>): Promise<HttpServer> {
  const streams = new LiveStreams()
  const {
    log,
    isReady,
    observer,
    tracer,
    graphiql = true,
    maxStreamsPerCaller = 1_000,
    findOverload = () => undefined,
    receiptTimes = RECEIPT_TIMES,
    compression: compresses = true,
  } = options
  const admit = shedding(options.admit ?? admitLocalOperator, findOverload)
  const allowedOrigins = new Set(options.allowedOrigins)
  const callers = {
    streams: new CallerStreams(maxStreamsPerCaller),
    rates: new CallerRates(options.ratePointsPerMinute ?? 0, options.rateMinuteSeconds),
  }
  const findDocument = createFindDocument(options.persistedOperations, options.persistedOnly ?? false)
  const pipeline = createPipeline(options, callers, findDocument)
  const endpoint = createGraphQLEndpoint(pipeline, {
    admit,
    peers: new VanishedPeers(),
    allowedOrigins,
    compresses,
  })
  const findRefusal = createFindRefusal(options, allowedOrigins)
  const cors = { origins: allowedOrigins, headers: options.allowedHeaders ?? [] }
  const route = createRouter({ log, isReady, findRefusal, graphiql, cors, streams, observer, tracer }, endpoint)
  const inFlight = new Set<Promise<void>>()
  // Streams of their own: those of a WebSocket end with it.
  const socketStreams = new LiveStreams()
  const webSockets = createWebSocketEndpoint(log, pipeline, {
    admit,
    inFlight,
    initTimeoutMs: receiptTimes.initMs,
    streams: socketStreams,
    observer,
  })
  const server = createServer({
    requestTimeout: receiptTimes.requestMs,
    headersTimeout: receiptTimes.headersMs,
    connectionsCheckingInterval: receiptTimes.lookEachMs,
    // Above the 60 s after which common load balancers drop an idle connection: they must be the ones who do it.
    keepAliveTimeout: 65_000,
    // Without the delay Linux waits for two hours. Once bytes are unacknowledged it is vanished-peers.ts that finds who has gone.
    keepAlive: true,
    keepAliveInitialDelay: 10_000,
  })
  const connections = new Connections(server, { upgradePatienceMs: receiptTimes.initMs })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    connections.begin(request, response, () => {
      const answered = route(request, response)
      inFlight.add(answered)
      void answered.then(() => inFlight.delete(answered))
    })
  })
  listenForUpgrades(server, { connections, route, findRefusal, webSockets })
  const port = await listen(server, options)
  let closing: Promise<void> | undefined
  return {
    url: `http://${hostInUrl(options.host)}:${port}/graphql`,
    port,
    state: () => ({
      connections: connections.size,
      webSockets: webSockets.size,
      streams: { sse: streams.size, websocket: socketStreams.size },
    }),
    close: ({ drainTimeoutMs }) =>
      (closing ??= drain(server, { connections, streams, webSockets, inFlight }, drainTimeoutMs)),
  }
}

const admitLocalOperator: Admit = () => ({ principal: localOperator, watch: () => undefined })

function createFindRefusal(
  { allowsHost = () => true }: Pick<HttpServerOptions<object>, 'allowsHost'>,
  allowedOrigins: AllowedOrigins,
): FindRefusal {
  return (request) => {
    if (!allowsHost(request.headers.host, request.socket.localPort ?? 0)) return unknownHost()
    return asksForWebSocket(request) ? findUpgradeRefusal(request, allowedOrigins) : undefined
  }
}

function unknownHost(): RefusedRequest {
  return new RefusedRequest(
    421,
    'This server knows itself as localhost, 127.0.0.1 and [::1], each with its port: ask for it by one of these, or set AUTHENTICATION.',
  )
}

/** What a server has to end. */
interface Live {
  readonly connections: Connections
  readonly streams: LiveStreams
  readonly webSockets: WebSocketEndpoint
  readonly inFlight: ReadonlySet<Promise<void>>
}

async function drain(
  server: Server,
  { connections, streams, webSockets, inFlight }: Live,
  drainTimeoutMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  connections.drain()
  streams.endAll()
  webSockets.drain()
  const deadline = new AbortController()
  // A client that leaves closes its socket; what it asked for goes on, and may still need the database.
  const finished = closed.then(() => Promise.all(inFlight))
  await Promise.race([finished, sleep(drainTimeoutMs, undefined, { signal: deadline.signal }).catch(() => undefined)])
  deadline.abort()
  connections.destroyAll()
  await closed
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new StartupError(whyNotListening(cause, host, port), { cause }))
    })
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function whyNotListening({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `PORT=${port} is in use on ${host}: stop the other program or set PORT.`
    case 'EACCES':
      return `PORT=${port} needs rights that this user lacks: set PORT to 1024 or above.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `HOST=${host} is no address of this machine: set HOST to 127.0.0.1, or to one that is.`
    case undefined:
    default:
      return `cannot listen on HOST=${host} PORT=${port} (${code ?? message}): set HOST and PORT to a free address.`
  }
}

/** A wildcard is no address that a browser could open. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
