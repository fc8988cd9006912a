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
import { type Callers, countCallers } from '../limits/callers.ts'
import type { PageSizes } from '../limits/cost.ts'
import { LargeRequests } from '../limits/large-requests.ts'
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
  /** 0: the system chooses a free one. */
  readonly port: number
  readonly schema: GraphQLSchema
  readonly log: Logger
  /** Adds stack traces of server faults to the log. Never changes what a client sees. */
  readonly debug: boolean
  /** Called once for each operation. An error from it is masked like any other. */
  readonly createContext: (operation: OperationInfo) => Ctx
  /** The page sizes of lists, by which the cost limit prices them. */
  readonly pageSizes: PageSizes
  /** Whether clients may query the schema. Default: true. */
  readonly introspection?: boolean
  /** Whether a browser that opens /graphql gets GraphiQL. Default: true. */
  readonly graphiql?: boolean
  /** Counts what each caller uses. Default: 1,000 streams at once, and no limit to points. */
  readonly callers?: Callers
  /** The persisted operations, by ID. Default: none. */
  readonly persistedOperations?: ReadonlyMap<string, string> | undefined
  readonly persistedOnly?: boolean
  /** How long clients may take to send their requests. Default: RECEIPT_TIMES. */
  readonly receiptTimes?: ReceiptTimes
  /** Sites whose pages may send operations. Default: only the server's own. */
  readonly allowedOrigins?: readonly string[]
  /** Headers that pages of these sites may send besides REQUEST_HEADERS, in lower case. Default: none. */
  readonly allowedHeaders?: readonly string[]
  /** Whether large answers are compressed. Default: true. */
  readonly compression?: boolean
  /**
   * Authenticates each request before it runs, and each operation over a WebSocket. Default: everybody is the local
   * operator.
   */
  readonly admit?: Admit
  /** Whether a request with this Host header is served. Default: always. */
  readonly allowsHost?: (host: string | undefined, port: number) => boolean
  /** Observes each operation. Default: none. */
  readonly observer?: RequestObserver | undefined
  /** Finds why the server is too busy to start anything new; undefined: it is not. Default: never too busy. */
  readonly findOverload?: () => Fault | undefined
  /** The queue of large requests. Default: one of its own. */
  readonly largeRequests?: LargeRequests
  /** Traces operations. Default: none. */
  readonly tracer?: RequestTracer | undefined
  /** Called for GET /ready. */
  readonly isReady: () => Promise<Readiness>
  /** Turns errors of other layers into faults that a client may read; undefined: the error is masked. */
  readonly toFault?: (error: unknown) => Fault | undefined
}

export interface HttpServer {
  /** The URL of the GraphQL endpoint: http://host:port/graphql */
  readonly url: string
  readonly port: number
  /** Counts what is open now. */
  state(): HttpState
  /**
   * Refuses new connections and ends event streams and WebSockets at once. Waits up to drainTimeoutMs for running
   * requests, then closes their connections. Resolves when every socket is closed. A second call returns the same
   * promise.
   */
  close(options: { drainTimeoutMs: number }): Promise<void>
}

/** What clients hold open. */
export interface HttpState {
  /** Sockets, including those of WebSockets. */
  readonly connections: number
  readonly webSockets: number
  /** Subscriptions, by transport. */
  readonly streams: { readonly sse: number; readonly websocket: number }
}

/**
 * Serves GraphQL (HTTP, event streams, WebSocket) and GraphiQL at /graphql, and /health and /ready.
 * @throws StartupError if the server cannot listen on the address
 */
export async function startHttpServer<Ctx extends object>(options: HttpServerOptions<Ctx>): Promise<HttpServer> {
  const streams = new LiveStreams()
  const {
    log,
    isReady,
    observer,
    tracer,
    graphiql = true,
    callers = countCallers({}),
    findOverload = () => undefined,
    largeRequests = new LargeRequests(),
    receiptTimes = RECEIPT_TIMES,
    compression: compresses = true,
  } = options
  const admit = shedding(options.admit ?? admitLocalOperator, findOverload)
  const allowedOrigins = new Set(options.allowedOrigins)
  const findDocument = createFindDocument(options.persistedOperations, options.persistedOnly ?? false)
  const pipeline = createPipeline(options, callers, findDocument)
  const endpoint = createGraphQLEndpoint(pipeline, {
    admit,
    peers: new VanishedPeers(),
    largeRequests,
    allowedOrigins,
    compresses,
  })
  const findRefusal = createFindRefusal(options, allowedOrigins)
  const cors = { origins: allowedOrigins, headers: options.allowedHeaders ?? [] }
  const route = createRouter({ log, isReady, findRefusal, graphiql, cors, streams, observer, tracer }, endpoint)
  const inFlight = new Set<Promise<void>>()
  // Kept apart from event streams: those of a WebSocket end with it.
  const socketStreams = new LiveStreams()
  const webSockets = createWebSocketEndpoint(log, pipeline, {
    admit,
    inFlight,
    largeRequests,
    initTimeoutMs: receiptTimes.initMs,
    streams: socketStreams,
    observer,
  })
  const server = createServer({
    requestTimeout: receiptTimes.requestMs,
    headersTimeout: receiptTimes.headersMs,
    connectionsCheckingInterval: receiptTimes.lookEachMs,
    // Above the 60 s after which common load balancers drop an idle connection: the load balancer must be the first.
    keepAliveTimeout: 65_000,
    // Without the delay Linux waits for two hours. If bytes are unacknowledged, vanished-peers.ts finds clients that
    // have gone.
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
    'This server answers to the hosts localhost, 127.0.0.1 and [::1] with its port: send one of these as Host, or set AUTHENTICATION.',
  )
}

/** What the server ends when it closes. */
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
  // If a client leaves, its socket closes, but its operation goes on and may still need the database.
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

/** A browser cannot open a wildcard address. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
