import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ExecutionResult, GraphQLError } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { acceptedMediaTypes, type MediaType } from './accept.ts'
import { type Admit, admitRequest } from './admission.ts'
import { sendEvent, sendEventStream } from './event-stream.ts'
import type { Exchange } from './exchange.ts'
import type { Pipeline, Present } from './graphql-pipeline.ts'
import { readGraphQLRequest } from './graphql-request.ts'
import { prepareOperation } from './prepare-operation.ts'
import { readJsonObject } from './read-body.ts'
import { RefusedRequest } from './refused-request.ts'
import { safeName } from './request-log.ts'
import { resultText } from './result-text.ts'
import { statusOf } from './result-status.ts'
import { sendText } from './send.ts'
import { wrapError } from './mask-error.ts'
import type { VanishedPeers } from './vanished-peers.ts'

/**
 * Answers one POST. Resolves when the answer is sent or its reader has gone.
 * @throws RefusedRequest where GraphQL never gets to see it
 */
export type GraphQLEndpoint = (request: IncomingMessage, response: ServerResponse, exchange: Exchange) => Promise<void>

/** GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), POST only, and over event streams. */
export function createGraphQLEndpoint(
  pipeline: Pipeline,
  { present, admit, peers }: { readonly present: Present; readonly admit: Admit; readonly peers: VanishedPeers },
): GraphQLEndpoint {
  const presentErrors = (exchange: Exchange, errors: readonly GraphQLError[]) => present.result(exchange, { errors })

  async function run(
    body: Record<string, unknown>,
    exchange: Exchange,
    mediaTypes: readonly MediaType[],
  ): Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>> {
    const prepared = await prepareOperation(pipeline, present, exchange, readGraphQLRequest(body))
    if (!('run' in prepared)) return presentErrors(exchange, prepared)
    // Before the source exists: nobody would read it.
    if (prepared.isSubscription && !mediaTypes.includes('text/event-stream')) {
      return presentErrors(exchange, [notAnEventStream()])
    }
    return prepared.run()
  }

  return async (request, response, exchange) => {
    const admitted = admitRequest(admit, { authorization: request.headers.authorization })
    exchange.admitted = admitted instanceof Promise ? await admitted : admitted
    const mediaTypes = acceptedMediaTypes(request.headers.accept)
    const [mediaType] = mediaTypes
    if (mediaType === undefined) throw notAcceptable()
    const body = await readJsonObject(request)
    exchange.operationName = safeName(body['operationName'])
    const result = await run(body, exchange, mediaTypes)
    if (isAsyncIterable(result)) {
      await sendEventStream(response, result, {
        gone: exchange.departure.signal,
        presentError: (error) => presentErrors(exchange, [wrapError(error)]),
        presentSlow: (cursor) => present.slow(exchange, cursor),
        watchPeer: (onSilent) => peers.watch(request.socket, onSilent),
      })
      return
    }
    const { status, headers } = statusOf(result, mediaType)
    if (mediaType === 'text/event-stream') sendEvent(response, status, result, headers)
    else sendText(response, status, `${mediaType}; charset=utf-8`, resultText(result), headers)
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
