import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Principal } from '../../identity/principal.ts'
import type { Admitted } from './admission.ts'
import type { LiveStreams } from '../streams/live-streams.ts'
import type { RequestTrace } from './request-tracer.ts'

/** What is known of a request before it is read. */
export interface RequestInfo {
  /** The ID that is also in the x-request-id header of the answer and in each log line of the request. */
  readonly requestId: string
}

/**
 * Knows whether a client has gone before its answer was complete. The signal is created only when it is read: most
 * answers need none.
 */
export class Departure {
  #controller: AbortController | undefined
  #hasLeft = false

  get hasLeft(): boolean {
    return this.#hasLeft
  }

  /** Aborts when the client has gone. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#hasLeft) this.#controller.abort()
    return this.#controller.signal
  }

  leave(): void {
    this.#hasLeft = true
    this.#controller?.abort()
  }
}

/** The input for an operation's GraphQL context. */
export interface OperationInfo extends RequestInfo {
  readonly principal: Principal
  /** Whether it is a subscription, for which nobody waits event by event. */
  readonly isStream: boolean
  /** The cursor of the last event that a caller got before it reconnected by itself. Overrides its argument `after`. */
  readonly lastEventId: string | undefined
  /** Charges a caller for work that is done (CallerRates.charge). */
  readonly charge: (subject: string, points: number) => void
}

/** One request and its answer, for the log and the metrics. Its members are set as the request is read. */
export interface Exchange extends RequestInfo {
  readonly departure: Departure
  readonly startedAtMs: number
  /** The open streams; a subscription is added to them. */
  readonly streams: LiveStreams
  /** undefined: it is not traced, or it came over a WebSocket. */
  trace: RequestTrace | undefined
  /** undefined: the caller is not authenticated, so nothing may run. */
  admitted: Admitted | undefined
  /** The header Last-Event-ID, which EventSource sends when it reconnects. */
  lastEventId: string | undefined
  operationName: string | undefined
  operationType: 'query' | 'mutation' | 'subscription' | undefined
  rootFields: readonly string[]
  /** How many objects the operation could return. */
  objects: number
  /** The distinct extensions.code of the errors in the answer. */
  readonly errorCodes: Set<string>
  /**
   * Why the request was refused before GraphQL read it, or why its page cannot read the answer. It contains only our
   * own words.
   */
  refusal: string | undefined
  /** Whether it is a subscription whose start has been logged. */
  isStreaming: boolean
  /** Events delivered, for a subscription. */
  events: number
  /** The cursor of the last event that was sent over a WebSocket. */
  cursor: string | undefined
}

/** Starts the record of a request, and its time. @param streams the open streams of its transport */
export function beginExchange(requestId: string, departure: Departure, streams: LiveStreams): Exchange {
  return {
    requestId,
    departure,
    startedAtMs: performance.now(),
    streams,
    trace: undefined,
    admitted: undefined,
    lastEventId: undefined,
    operationName: undefined,
    operationType: undefined,
    rootFields: [],
    objects: 0,
    errorCodes: new Set(),
    refusal: undefined,
    isStreaming: false,
    events: 0,
    cursor: undefined,
  }
}

/**
 * Takes the caller's x-request-id if it has 1 to 64 characters of [A-Za-z0-9_-], so that one search finds the request
 * in both logs. Otherwise makes a UUID.
 */
export function chooseRequestId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : randomUUID()
}
