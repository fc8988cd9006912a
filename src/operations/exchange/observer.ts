import type { FaultCode } from '../../errors/fault.ts'
import type { Exchange } from './exchange.ts'

/**
 * The outcome of a request for the metrics. It is also OK if the answer is a refusal in a result union, which is data.
 */
export type Outcome = 'OK' | 'CLIENT_LEFT' | FaultCode

/** The worst first: the worst of a request's faults is its outcome. */
export const OUTCOMES: readonly Outcome[] = [
  'INTERNAL_SERVER_ERROR',
  'SERVICE_UNAVAILABLE',
  'OVERLOADED',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'CURSOR_EXPIRED',
  'PERSISTED_QUERY_ONLY',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_USER_INPUT',
  'CLIENT_LEFT',
  'OK',
]

/** Observes requests, for the metrics. */
export interface RequestObserver {
  /**
   * Called once for each operation that is sent to /graphql by GET, HEAD, POST or WebSocket, when its answer has left
   * or its stream is open.
   */
  onAnswered(exchange: Exchange, outcome: Outcome): void
  /** Called for each event that a stream delivers. */
  onEvent(exchange: Exchange): void
}

/** The outcome of a request. A stream is OK as soon as it is open: it usually ends because its reader leaves. */
export function outcomeOf({ errorCodes, isStreaming }: Exchange, isComplete: boolean): Outcome {
  if (isStreaming) return 'OK'
  if (!isComplete) return 'CLIENT_LEFT'
  if (errorCodes.size === 0) return 'OK'
  return OUTCOMES.find((outcome) => errorCodes.has(outcome)) ?? 'INTERNAL_SERVER_ERROR'
}
