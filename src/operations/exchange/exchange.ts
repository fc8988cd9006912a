import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Principal } from '../../identity/principal.ts'
import type { Admitted } from './admission.ts'
import type { LiveStreams } from '../streams/live-streams.ts'
import type { RequestTrace } from './request-tracer.ts'

/** What is known of a request before it is understood. */
export interface RequestInfo {
  /** Also in the x-request-id header of the answer and in each of its log lines. */
  readonly requestId: string
}

/** Whether a client has gone before its answer was complete. The signal is made for who asks for it: most answers are sent and that's it. */
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

/** What an operation's GraphQL context is made from. */
export interface OperationInfo extends RequestInfo {
  readonly principal: Principal
  /** Whether it is a subscription: nobody waits for its answers one by one. */
  readonly isStream: boolean
  /** Of the last event that the caller has, where it connected again by itself: goes before the `after` that it sent at first. */
  readonly lastEventId: string | undefined
  /** Takes points off a caller's minute for work that is done: see CallerRates.charge. */
  readonly charge: (subject: string, points: number) => void
}

/** One request and its answer, as the log sees it; filled in as the request is understood. */
export interface Exchange extends RequestInfo {
  readonly departure: Departure
  readonly startedAtMs: number
  /** Where it is kept if it is a subscription. */
  readonly streams: LiveStreams
  /** undefined: nobody follows it, or it came over a WebSocket. */
  trace: RequestTrace | undefined
  /** undefined: who calls is not known, and nothing may be executed. */
  admitted: Admitted | undefined
  /** Last-Event-ID, which EventSource sends when it connects again. */
  lastEventId: string | undefined
  operationName: string | undefined
  operationType: 'query' | 'mutation' | 'subscription' | undefined
  rootFields: readonly string[]
  /** How many it could answer. */
  objects: number
  /** extensions.code of each error answered, each once. */
  readonly errorCodes: Set<string>
  /** Why the request was refused before GraphQL saw it, or what keeps its page from reading the answer; in words of ours. */
  refusal: string | undefined
  /** Whether a subscription's first line is in the log. */
  isStreaming: boolean
  /** Events delivered, where it is a subscription. */
  events: number
  /** Of the last event that was sent over a WebSocket. */
  cursor: string | undefined
}

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

/** Takes the caller's x-request-id if it is 1 to 64 of [A-Za-z0-9_-], so that one search finds it in both logs. */
export function chooseRequestId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : randomUUID()
}
