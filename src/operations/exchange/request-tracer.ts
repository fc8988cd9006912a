import type { IncomingMessage } from 'node:http'

/** What a trace records of an operation. Its members are set as the request is read (Exchange has them). */
export interface Followed {
  readonly requestId: string
  readonly operationName: string | undefined
  readonly operationType: 'query' | 'mutation' | 'subscription' | undefined
  readonly rootFields: readonly string[]
  /** The extensions.code of the errors in the answer. */
  readonly errorCodes: ReadonlySet<string>
}

/** Traces requests. Everything that runs inside `run` belongs to the request's trace, across every await. */
export interface RequestTracer {
  /** Begins the trace of an HTTP request. It continues the caller's trace, if the headers name one. */
  begin(request: IncomingMessage, exchange: Followed): RequestTrace
  /** Traces the execution of an operation; for a subscription, until it is open. */
  operation<Result>(exchange: Followed, run: () => Promise<Result>): Promise<Result>
}

/** The trace of one HTTP request. */
export interface RequestTrace {
  run<Result>(answer: () => Result): Result
  /** Ends the trace when the answer has left or its stream is open. Only the first call counts. */
  end(status: number): void
}
