import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { type AllowedOrigins, allowOrigin, answerPreflight, isAllowedPreflight } from './cors.ts'
import { describeError } from './describe-error.ts'
import { beginExchange, chooseRequestId, Departure, type Exchange } from './exchange.ts'
import { asksForGraphiQL, sendGraphiQL } from './graphiql.ts'
import type { GraphQLEndpoint } from './graphql-endpoint.ts'
import { answerHealth, answerReady, type Readiness } from './health.ts'
import { outcomeOf, type RequestObserver } from './observer.ts'
import { RefusedRequest } from './refused-request.ts'
import { logRequest } from './request-log.ts'
import type { RequestTracer } from './request-tracer.ts'
import { pathOf } from './request-path.ts'
import { sendError } from './send.ts'

/** Why a request is not served at all, whatever it asks for; undefined: it is. */
export type FindRefusal = (request: IncomingMessage) => RefusedRequest | undefined

/** Answers a request, whatever it is; never rejects. Resolves when nothing of it is left to do. */
export type Router = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface RouterOptions {
  readonly log: Logger
  readonly isReady: () => Promise<Readiness>
  readonly findRefusal: FindRefusal
  /** Whether a browser that opens /graphql gets GraphiQL. */
  readonly graphiql: boolean
  readonly allowedOrigins: AllowedOrigins
  readonly observer?: RequestObserver | undefined
  readonly tracer?: RequestTracer | undefined
}

export function createRouter(
  { log, isReady, findRefusal, graphiql, allowedOrigins, observer, tracer }: RouterOptions,
  answerGraphQL: GraphQLEndpoint,
): Router {
  return async (request, response) => {
    const departure = new Departure()
    const exchange = beginExchange(chooseRequestId(request), departure, tracer)
    const path = pathOf(request)
    const asksForOperation = path === '/graphql' && request.method === 'POST'
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
      logRequest(log, isProbe ? 'debug' : 'info', path, exchange, { status, isComplete })
      exchange.trace?.end(status)
      if (asksForOperation && !exchange.isStreaming) observer?.onAnswered(exchange, outcomeOf(exchange, isComplete))
    }
    response.on('close', over)
    // Of a response that waits behind another one on its connection Node says nothing.
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
        allowOrigin(request, response, allowedOrigins)
        if (isAllowedPreflight(request, allowedOrigins)) {
          answerPreflight(response)
          return undefined
        }
        if (graphiql && asksForGraphiQL(request)) return sendGraphiQL(request, response)
        assertMethod(
          request,
          ['POST'],
          graphiql
            ? 'Send GraphQL operations by POST; a browser that opens this address gets GraphiQL.'
            : 'Send GraphQL operations by POST. GraphiQL is off here: GRAPHIQL=1 turns it on.',
        )
        return answerGraphQL(request, response, exchange)
      case '/health':
        assertMethod(request, ['GET', 'HEAD'], 'Ask by GET or HEAD.')
        answerHealth(response)
        return undefined
      case '/ready':
        assertMethod(request, ['GET', 'HEAD'], 'Ask by GET or HEAD.')
        return answerReady(response, isReady, log)
      default:
        throw new RefusedRequest(404, 'Nothing is served here. GraphQL is at /graphql, health at /health and /ready.')
    }
  }
}

function assertMethod({ method = '' }: IncomingMessage, allowed: readonly string[], message: string): void {
  if (!allowed.includes(method)) throw new RefusedRequest(405, message, { allow: allowed.join(', ') })
}

function answerFailure(response: ServerResponse, error: unknown, exchange: Exchange, log: Logger): void {
  const { requestId, errorCodes } = exchange
  const refused = error instanceof RefusedRequest ? error : undefined
  const code = refused?.code ?? 'INTERNAL_SERVER_ERROR'
  errorCodes.add(code)
  if (refused === undefined && !exchange.departure.hasLeft) {
    log.error({ requestId, error: describeError(error, { stack: true }) }, 'unexpected error outside GraphQL')
  }
  if (response.destroyed) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (refused !== undefined) {
    // JSON leaves out what is undefined.
    const extensions = { code, retryAfterSeconds: refused.retryAfterSeconds }
    sendError(response, refused.status, { message: refused.message, extensions }, refused.headers)
  } else {
    const message = `Unexpected error. It was logged: when you report it, quote request id ${requestId}.`
    sendError(response, 500, { message, extensions: { code, requestId } })
  }
}
