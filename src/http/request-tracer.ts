import type { IncomingMessage } from 'node:http'
import type { Exchange } from './exchange.ts'

/** Follows a request into what it calls; how, this layer does not know. Whatever runs inside belongs to it, across every await. */
export interface RequestTracer {
  /** Begins to follow an HTTP request. What its caller says of a trace is taken up. */
  begin(request: IncomingMessage, exchange: Exchange): RequestTrace
  /** Follows the execution of an operation; of a subscription, until it is open. */
  operation<Result>(exchange: Exchange, run: () => Promise<Result>): Promise<Result>
}

/** One HTTP request that is followed. */
export interface RequestTrace {
  run<Result>(answer: () => Promise<Result>): Promise<Result>
  /** When the answer has left, or its stream is open; once is enough. */
  end(status: number): void
}
