import type { IncomingMessage, ServerResponse } from 'node:http'
import { GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { acceptedMediaTypes, type MediaType } from './accept.ts'
import { type Admit, admitRequest } from './admission.ts'
import type { Exchange } from './exchange.ts'
import type { OperationContext, Pipeline, Present } from './graphql-pipeline.ts'
import { readJsonObject } from './read-body.ts'
import { RefusedRequest } from './refused-request.ts'
import { safeName } from './request-log.ts'
import { sendFetchResponse } from './send.ts'
import type { VanishedPeers } from './vanished-peers.ts'

/**
 * Answers one POST. Resolves when the answer is sent or its reader has gone.
 * @throws RefusedRequest where GraphQL never gets to see it
 */
export type GraphQLEndpoint = (request: IncomingMessage, response: ServerResponse, exchange: Exchange) => Promise<void>

/** What yoga is given of a POST; of an operation that came another way there is no `post`. */
export interface HttpContext extends OperationContext {
  readonly post?: { readonly body: Record<string, unknown>; readonly mediaTypes: readonly MediaType[] }
}

/**
 * Yoga runs the operation and writes events; HTTP is ours. It gets a Request of our making and we send its Response: its own
 * node adapter puts the stack of an error outside GraphQL into the answer, and never returns the source of a subscription whose
 * client left before the first byte.
 */
export function createGraphQLEndpoint(
  pipeline: Pipeline<HttpContext>,
  peers: VanishedPeers,
  admit: Admit,
): GraphQLEndpoint {
  return async (request, response, exchange) => {
    exchange.admitted = await admitRequest(admit, { authorization: request.headers.authorization })
    const mediaTypes = acceptedMediaTypes(request.headers.accept)
    if (mediaTypes.length === 0) throw notAcceptable()
    const body = await readJsonObject(request)
    exchange.operationName = safeName(body['operationName'])
    const headers = { accept: mediaTypes.join(', '), 'content-type': 'application/json' }
    const fetched = new pipeline.fetchAPI.Request('http://waymark/graphql', { method: 'POST', headers })
    const answer = await pipeline.handleRequest(fetched, { exchange, post: { body, mediaTypes } })
    const unwatch = exchange.isStreaming ? peers.watch(request.socket) : undefined
    await sendFetchResponse(response, answer).finally(unwatch)
  }
}

/** HTTP's part of the pipeline. */
export function useHttp(present: Present): Plugin<HttpContext, HttpContext> {
  return {
    onRequestParse({ serverContext: { post }, setRequestParser }) {
      setRequestParser(() => post?.body ?? {})
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const { post } = args.contextValue
      // Refused before the source exists: yoga would open it, answer 406 and leave it open.
      if (post && !post.mediaTypes.includes('text/event-stream')) {
        setResultAndStopExecution({ errors: [notAnEventStream()] })
      }
    },
    onResultProcess(hook) {
      if (Array.isArray(hook.result)) throw new TypeError('batching is off')
      hook.setResult(present(hook.serverContext.exchange, hook.result))
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
    'A subscription is answered as events: send Accept: text/event-stream, or subscribe over a WebSocket.',
  )
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { status } } })
}
