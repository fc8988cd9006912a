import type { IncomingMessage, ServerResponse } from 'node:http'
import { GraphQLError, type DocumentNode, type ExecutionResult, type GraphQLSchema } from 'graphql'
import { createYoga, isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Fault } from '../fault.ts'
import { acceptedMediaTypes, type MediaType } from './accept.ts'
import { DocumentCache } from './document-cache.ts'
import type { Exchange, RequestInfo } from './exchange.ts'
import type { LiveStreams } from './live-streams.ts'
import { maskResult } from './mask-error.ts'
import { readJsonObject } from './read-body.ts'
import { RefusedRequest } from './refused-request.ts'
import { logSubscriptionStart, noteOperation, safeName } from './request-log.ts'
import { sendFetchResponse } from './send.ts'

export interface GraphQLEndpointOptions<Ctx extends object> {
  readonly schema: GraphQLSchema
  readonly log: Logger
  readonly debug: boolean
  readonly createContext: (request: RequestInfo) => Ctx
  readonly toFault?: ((error: unknown) => Fault | undefined) | undefined
}

/**
 * Answers one POST. Resolves when the answer is sent or its reader has gone.
 * @throws RefusedRequest where GraphQL never gets to see it
 */
export type GraphQLEndpoint = (request: IncomingMessage, response: ServerResponse, exchange: Exchange) => Promise<void>

interface ServerContext {
  readonly exchange: Exchange
  readonly body: Record<string, unknown>
  readonly mediaTypes: readonly MediaType[]
}

/**
 * Yoga parses, validates, executes and writes events; HTTP is ours. It gets a Request of our making and we send its Response:
 * its own node adapter puts the stack of an error outside GraphQL into the answer, and never returns the source of a
 * subscription whose client left before the first byte.
 */
export function createGraphQLEndpoint<Ctx extends object>(
  options: GraphQLEndpointOptions<Ctx>,
  streams: LiveStreams,
): GraphQLEndpoint {
  const yoga = createYoga<ServerContext, Ctx>({
    schema: options.schema,
    context: ({ exchange: { requestId, signal } }) => options.createContext({ requestId, signal }),
    plugins: [useServerContext(options, streams)],
    maskedErrors: false, // done in useServerContext: yoga's hook isn't told which request it masks for
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    parserAndValidationCache: { documentCache: new DocumentCache<DocumentNode>(), errorCache: new DocumentCache() },
    batching: false,
    multipart: false,
    maxRequestBodySize: false, // read-body.ts holds the limit
  })
  return async (request, response, exchange) => {
    const mediaTypes = acceptedMediaTypes(request.headers.accept)
    if (mediaTypes.length === 0) throw notAcceptable()
    const body = await readJsonObject(request)
    exchange.operationName = safeName(body['operationName'])
    const headers = { accept: mediaTypes.join(', '), 'content-type': 'application/json' }
    const fetched = new yoga.fetchAPI.Request('http://waymark/graphql', { method: 'POST', headers })
    await sendFetchResponse(response, await yoga.handleRequest(fetched, { exchange, body, mediaTypes }))
  }
}

function useServerContext<Ctx extends object>(
  { log, debug, toFault }: GraphQLEndpointOptions<Ctx>,
  streams: LiveStreams,
): Plugin<ServerContext, ServerContext> {
  const mask = (exchange: Exchange, result: ExecutionResult) => {
    const masked = maskResult(result, { requestId: exchange.requestId, log, debug, toFault })
    for (const { extensions } of masked.errors ?? []) exchange.errorCodes.add(String(extensions['code']))
    return masked
  }
  return {
    onRequestParse({ serverContext, setRequestParser }) {
      setRequestParser(() => serverContext.body)
    },
    onExecute({ args }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      noteOperation(args.contextValue.exchange, args.document as DocumentNode, args.operationName as string | null)
      // Refused before the source exists: yoga would open it, answer 406 and leave it open.
      if (!args.contextValue.mediaTypes.includes('text/event-stream')) {
        setResultAndStopExecution({ errors: [notAnEventStream()] })
      }
    },
    onResultProcess(hook) {
      const {
        result,
        serverContext: { exchange },
      } = hook
      if (Array.isArray(result)) throw new TypeError('batching is off')
      if (!isAsyncIterable(result)) {
        hook.setResult(mask(exchange, result))
        return
      }
      logSubscriptionStart(log, exchange)
      hook.setResult(
        streams.track(
          result,
          (event: ExecutionResult) => {
            exchange.events += 1
            return mask(exchange, event)
          },
          exchange.signal,
        ),
      )
    },
  }
}

function notAcceptable(): RefusedRequest {
  return new RefusedRequest(
    406,
    'Send Accept: application/json, application/graphql-response+json or text/event-stream.',
  )
}

function notAnEventStream(): GraphQLError {
  const { status, message } = new RefusedRequest(
    406,
    'A subscription is answered as events: send Accept: text/event-stream.',
  )
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { status } } })
}
