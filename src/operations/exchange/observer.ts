import type { FaultCode } from '../../errors/fault.ts'
import type { Exchange } from './exchange.ts'

/** How a request went, as monitoring counts it: OK also where the answer is a refusal, which is data. */
export type Outcome = 'OK' | 'CLIENT_LEFT' | FaultCode

/** The worst first: of a request's faults the one counts that somebody should look at. */
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

/** Told of what was asked for; what it makes of that this layer does not know. */
export interface RequestObserver {
  /** Once for each operation that is sent to /graphql, by GET, HEAD, POST or over a WebSocket: when its answer has left, or its stream is open. */
  onAnswered(exchange: Exchange, outcome: Outcome): void
  /** For each event that a stream delivers. */
  onEvent(exchange: Exchange): void
}

/** A stream counts as OK once it is open: it usually ends by its reader leaving. */
export function outcomeOf({ errorCodes, isStreaming }: Exchange, isComplete: boolean): Outcome {
  if (isStreaming) return 'OK'
  if (!isComplete) return 'CLIENT_LEFT'
  if (errorCodes.size === 0) return 'OK'
  return OUTCOMES.find((outcome) => errorCodes.has(outcome)) ?? 'INTERNAL_SERVER_ERROR'
}
