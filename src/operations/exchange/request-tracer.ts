import type { IncomingMessage } from 'node:http'

/** What a trace says of an operation; filled in as it is understood (an Exchange has it). */
export interface Followed {
  readonly requestId: string
  readonly operationName: string | undefined
  readonly operationType: 'query' | 'mutation' | 'subscription' | undefined
  readonly rootFields: readonly string[]
  /** extensions.code of each error answered. */
  readonly errorCodes: ReadonlySet<string>
}

/** Follows a request into what it calls; how, this layer does not know. Whatever runs inside belongs to it, across every await. */
export interface RequestTracer {
  /** Begins to follow an HTTP request. What its caller says of a trace is taken up. */
  begin(request: IncomingMessage, exchange: Followed): RequestTrace
  /** Follows the execution of an operation; of a subscription, until it is open. */
  operation<Result>(exchange: Followed, run: () => Promise<Result>): Promise<Result>
}

/** One HTTP request that is followed. */
export interface RequestTrace {
  run<Result>(answer: () => Result): Result
  /** When the answer has left, or its stream is open; once is enough. */
  end(status: number): void
}
