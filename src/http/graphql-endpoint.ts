import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ExecutionResult, GraphQLError } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { acceptedMediaTypes, type MediaType } from './answers/accept.ts'
import type { Admit } from '../operations/exchange/admission.ts'
import { admitRequest, refuse } from './requests/admit-request.ts'
import type { AllowedOrigins } from './requests/cors.ts'
import { sendEvent, sendEventStream } from '../sse/event-stream.ts'
import type { Exchange } from '../operations/exchange/exchange.ts'
import type { Pipeline } from '../operations/pipeline.ts'
import { readGraphQLRequest } from './requests/read-graphql-request.ts'
import { LARGE_BYTES, type LargeRequests } from '../limits/large-requests.ts'
import { isFromElsewhere } from './requests/page-origin.ts'
import { type PreparedOperation, prepareOperation } from '../operations/prepare-operation.ts'
import { parseJsonObject, readBody } from './requests/read-body.ts'
import { readUrlParameters } from './requests/read-url.ts'
import { RefusedRequest } from './requests/refused-request.ts'
import { safeName } from '../operations/exchange/request-log.ts'
import { resultText } from '../operations/results/result-text.ts'
import { type AnswerStatus, statusOf } from './answers/result-status.ts'
import { markRevalidated } from './answers/revalidation.ts'
import { codingsOf, sendAnswer } from './answers/send-answer.ts'
import { wrapError } from '../operations/results/mask-error.ts'
import { SLOW_CLIENT, slowClientResult } from '../operations/streams/slow-client.ts'
import type { VanishedPeers } from '../sse/vanished-peers.ts'

/**
 * Answers one GET, HEAD or POST. Resolves when the answer is sent or the client has gone.
 * @throws RefusedRequest if the request is refused before GraphQL reads it
 */
export type GraphQLEndpoint = (request: IncomingMessage, response: ServerResponse, exchange: Exchange) => Promise<void>

/** The answer to an operation that was not run. */
interface Refused {
  readonly result: ExecutionResult
  /** Default: the status that follows from the result. */
  readonly status?: AnswerStatus
}

interface EndpointOptions {
  readonly admit: Admit
  readonly peers: VanishedPeers
  readonly largeRequests: LargeRequests
  readonly allowedOrigins: AllowedOrigins
  /** Whether large answers are compressed. */
  readonly compresses: boolean
}

/**
 * Serves GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/) and over event streams. Mutations are
 * accepted by POST only. Other operations by GET are refused if a page of another site sends them
 * (docs/adr/0016-get.md).
 */
export function createGraphQLEndpoint(
  pipeline: Pipeline,
  { admit, peers, largeRequests, allowedOrigins, compresses }: EndpointOptions,
): GraphQLEndpoint {
  const presentErrors = (exchange: Exchange, errors: readonly GraphQLError[]) => pipeline.present(exchange, { errors })

  /**
   * Reads and prepares the operation. It is a function of its own that ends before the operation runs: a waiting async
   * function keeps all its variables, here the request text, for as long as a stream is open.
   */
  async function prepare(
    request: IncomingMessage,
    exchange: Exchange,
    mediaTypes: readonly MediaType[],
  ): Promise<PreparedOperation | Refused> {
    const body = request.method === 'POST' ? await readBody(request) : undefined
    const bytes = body?.byteLength ?? request.url?.length ?? 0
    const parse = () => parseRequest(request, exchange, mediaTypes, body)
    if (bytes <= LARGE_BYTES) return parse()
    return largeRequests.run(exchange.admitted?.principal.subject ?? '', bytes, parse).catch(refuse)
  }

  /** @param body undefined: what is asked is in the URL */
  async function parseRequest(
    request: IncomingMessage,
    exchange: Exchange,
    mediaTypes: readonly MediaType[],
    body: Buffer | undefined,
  ): Promise<PreparedOperation | Refused> {
    const { method, headers } = request
    const members = body ? parseJsonObject(body) : readUrlParameters(request)
    exchange.operationName = safeName(members['operationName'])
    if (!body) exchange.lastEventId = textOf(headers['last-event-id'])
    const asked = readGraphQLRequest(members, body ? 'body' : 'URL')
    const prepared = await prepareOperation(pipeline, exchange, asked)
    if (!('run' in prepared)) return { result: presentErrors(exchange, prepared) }
    const refusal = findRefusal(method, prepared, exchange, mediaTypes)
    if (!refusal) return prepared
    return { result: presentErrors(exchange, [new GraphQLError(refusal.message)]), status: refusal }
  }

  async function answer(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
    const { method, headers, socket } = request
    const isPost = method === 'POST'
    if (!isPost && isFromElsewhere(headers, allowedOrigins)) throw fromElsewhere()
    const mediaTypes = acceptedMediaTypes(headers.accept)
    const [mediaType] = mediaTypes
    if (mediaType === undefined) throw notAcceptable()
    const { plain, smaller } = codingsOf(request, compresses)
    if (!plain && smaller === undefined) throw noCoding()
    const prepared = await prepare(request, exchange, mediaTypes)
    const result = 'run' in prepared ? await prepared.run() : prepared.result
    if (isAsyncIterable(result)) {
      await sendEventStream(response, result, {
        gone: exchange.departure.signal,
        presentError: (error) => presentErrors(exchange, [wrapError(error)]),
        presentSlow: (cursor) => {
          exchange.errorCodes.add(SLOW_CLIENT)
          return slowClientResult(cursor)
        },
        watchPeer: (onSilent) => peers.watch(socket, onSilent),
        withIds: !isPost,
      })
      return
    }
    const { status, headers: more } = ('run' in prepared ? undefined : prepared.status) ?? statusOf(result, mediaType)
    if (mediaType === 'text/event-stream') sendEvent(response, status, result, more)
    else {
      const contentType = `${mediaType}; charset=utf-8`
      const told = { status, contentType, text: resultText(result), headers: more }
      const sending = sendAnswer(request, response, told, compresses)
      if (sending) await sending
    }
  }

  return async (request, response, exchange) => {
    if (request.method !== 'POST') markRevalidated(response)
    const admitted = admitRequest(admit, { authorization: request.headers.authorization })
    exchange.admitted = admitted instanceof Promise ? await admitted : admitted
    try {
      await answer(request, response, exchange)
    } catch (error) {
      // A refused request was work too, as a refused operation is.
      if (error instanceof RefusedRequest) await pipeline.spend(exchange, 1)?.catch(refuse)
      throw error
    }
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' ? header : undefined
}

function fromElsewhere(): RefusedRequest {
  return new RefusedRequest(
    403,
    'Pages of other sites may not send GET requests here, and Sec-Fetch-Site or Origin says that this is one. Add its origin to ALLOWED_ORIGINS, or send a POST.',
  )
}

function notAcceptable(): RefusedRequest {
  return new RefusedRequest(
    406,
    'Send Accept: application/json, application/graphql-response+json or text/event-stream.',
  )
}

function noCoding(): RefusedRequest {
  return new RefusedRequest(406, 'Send Accept-Encoding: gzip or br, or leave identity;q=0 out.')
}

/**
 * Finds why this request may not run a valid operation. Checked before a source of events exists, since nobody would
 * read it.
 * @returns undefined if it may
 */
function findRefusal(
  method: string | undefined,
  { isSubscription }: PreparedOperation,
  { operationType }: Exchange,
  mediaTypes: readonly MediaType[],
): RefusedRequest | undefined {
  if (isSubscription && !mediaTypes.includes('text/event-stream')) {
    return new RefusedRequest(
      406,
      'A subscription is answered as events: send Accept: text/event-stream, or subscribe over a WebSocket.',
    )
  }
  // GET and HEAD must not change anything, and an answer to HEAD has no body for events.
  if (method === 'POST' || operationType === 'query') return undefined
  if (operationType === 'mutation') {
    return new RefusedRequest(405, 'Send mutations by POST: GET changes nothing.', { allow: 'POST' })
  }
  return method === 'HEAD' ? new RefusedRequest(405, 'Subscribe by GET or POST.', { allow: 'GET, POST' }) : undefined
}
