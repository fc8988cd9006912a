import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { allowOrigin, answerPreflight, type CorsPolicy, isPreflight } from './requests/cors.ts'
import { describeError } from '../errors/describe-error.ts'
import { beginExchange, chooseRequestId, Departure, type Exchange } from '../operations/exchange/exchange.ts'
import { asksForPage, sendGraphiQL } from './graphiql/graphiql.ts'
import type { GraphQLEndpoint } from './graphql-endpoint.ts'
import { answerHealth, answerReady, type Readiness } from './health.ts'
import { outcomeOf, type RequestObserver } from '../operations/exchange/observer.ts'
import { RefusedRequest } from './requests/refused-request.ts'
import { logRequest } from '../operations/exchange/request-log.ts'
import type { LiveStreams } from '../operations/streams/live-streams.ts'
import type { RequestTracer } from '../operations/exchange/request-tracer.ts'
import { pathOf } from './requests/request-path.ts'
import { sendError } from './answers/send.ts'

/** Finds why a request is not served, whatever it asks for. @returns undefined if it is served */
export type FindRefusal = (request: IncomingMessage) => RefusedRequest | undefined

/** Answers any request; never rejects. Resolves when all work for the request is done. */
export type Router = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface RouterOptions {
  readonly log: Logger
  readonly isReady: () => Promise<Readiness>
  readonly findRefusal: FindRefusal
  /** Whether a browser that opens /graphql gets GraphiQL. */
  readonly graphiql: boolean
  readonly cors: CorsPolicy
  /** The open event streams. */
  readonly streams: LiveStreams
  readonly observer?: RequestObserver | undefined
  readonly tracer?: RequestTracer | undefined
}

/** Routes GraphQL, GraphiQL and the health checks; answers 404 to other paths. @param answerGraphQL serves /graphql */
export function createRouter(
  { log, isReady, findRefusal, graphiql, cors, streams, observer, tracer }: RouterOptions,
  answerGraphQL: GraphQLEndpoint,
): Router {
  const getsPage = (request: IncomingMessage) => graphiql && asksForPage(request)

  return async (request, response) => {
    const departure = new Departure()
    const exchange = beginExchange(chooseRequestId(request), departure, streams)
    const path = pathOf(request)
    const { method } = request
    const asksForOperation = path === '/graphql' && (method === 'POST' || (isRead(method) && !getsPage(request)))
    const isProbe = path === '/health' || path === '/ready'
    if (asksForOperation) exchange.trace = tracer?.begin(request, exchange)
    response.setHeader('x-request-id', exchange.requestId)
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      if (isWaiting) request.socket.removeListener('close', over)
      const { statusCode: status, writableFinished: isComplete } = response
      if (!isComplete) departure.leave()
      logRequest(log, isProbe ? 'debug' : 'info', path, exchange, { method, status, isComplete })
      exchange.trace?.end(status)
      if (asksForOperation && !exchange.isStreaming) observer?.onAnswered(exchange, outcomeOf(exchange, isComplete))
    }
    response.on('close', over)
    // For a response that waits behind another one of its connection, Node emits no 'close'.
    const isWaiting = response.socket === null
    if (isWaiting) request.socket.on('close', over)
    try {
      const { trace } = exchange
      await (trace
        ? trace.run(() => answer(request, response, exchange, path))
        : answer(request, response, exchange, path))
    } catch (error) {
      answerFailure(response, error, exchange, log)
    }
  }

  function answer(
    request: IncomingMessage,
    response: ServerResponse,
    exchange: Exchange,
    path: string,
  ): Promise<void> | undefined {
    const refusal = findRefusal(request)
    if (refusal) throw refusal
    switch (path) {
      case '/graphql':
        allowOrigin(request, response, cors.origins)
        if (isPreflight(request)) {
          exchange.refusal = answerPreflight(request, response, cors)
          return undefined
        }
        if (getsPage(request)) return sendGraphiQL(request, response)
        if (asksForPage(request) && request.url === path) throw noPage()
        assertMethod(request, ['GET', 'HEAD', 'POST'], 'Send GraphQL operations by POST, or queries by GET.')
        return answerGraphQL(request, response, exchange)
      case '/':
      case '/graphiql':
        if (!getsPage(request)) throw nothingHere(graphiql)
        response.writeHead(302, { location: '/graphql', vary: 'accept' })
        response.end()
        return undefined
      case '/health':
        assertMethod(request, ['GET', 'HEAD'], 'Ask by GET or HEAD.')
        answerHealth(response)
        return undefined
      case '/ready':
        assertMethod(request, ['GET', 'HEAD'], 'Ask by GET or HEAD.')
        return answerReady(response, isReady, log)
      default:
        throw nothingHere(true)
    }
  }
}

function isRead(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD'
}

function noPage(): RefusedRequest {
  const message = 'GraphiQL is off here: GRAPHIQL=1 turns it on. Programs send operations by POST, or ?query= by GET.'
  return new RefusedRequest(405, message, { allow: 'POST' })
}

function nothingHere(graphiql: boolean): RefusedRequest {
  const hint = graphiql ? '' : ' GraphiQL is off: GRAPHIQL=1 turns it on.'
  return new RefusedRequest(404, `Nothing is served here. GraphQL is at /graphql, health at /health and /ready.${hint}`)
}

function assertMethod({ method = '' }: IncomingMessage, allowed: readonly string[], message: string): void {
  if (!allowed.includes(method)) throw new RefusedRequest(405, message, { allow: allowed.join(', ') })
}

function answerFailure(response: ServerResponse, error: unknown, exchange: Exchange, log: Logger): void {
  const { requestId, errorCodes } = exchange
  const refused = error instanceof RefusedRequest ? error : undefined
  const code = refused?.code ?? 'INTERNAL_SERVER_ERROR'
  errorCodes.add(code)
  exchange.refusal = refused?.message
  if (refused === undefined && !exchange.departure.hasLeft) {
    log.error({ requestId, error: describeError(error, { stack: true }) }, 'unexpected error outside GraphQL')
  }
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (refused !== undefined) {
    // JSON omits members that are undefined.
    const extensions = { code, retryAfterSeconds: refused.retryAfterSeconds }
    sendError(response, refused.status, { message: refused.message, extensions }, refused.headers)
  } else {
    const message = `Unexpected error. It was logged: when you report it, quote request id ${requestId}.`
    sendError(response, 500, { message, extensions: { code, requestId } })
  }
}
