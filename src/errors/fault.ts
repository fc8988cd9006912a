/** Every code that a top-level GraphQL error can carry in extensions.code. */
export type FaultCode =
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'RATE_LIMITED'
  | 'OVERLOADED'
  | 'SERVICE_UNAVAILABLE'
  | 'CURSOR_EXPIRED'
  | 'PERSISTED_QUERY_NOT_FOUND'
  | 'PERSISTED_QUERY_NOT_SUPPORTED'
  | 'PERSISTED_QUERY_ONLY'
  | 'SLOW_CLIENT'
  | 'INTERNAL_SERVER_ERROR'

/** What can be tried again as it is, after extensions.retryAfterSeconds. */
export const RETRIABLE: ReadonlySet<FaultCode> = new Set(['RATE_LIMITED', 'OVERLOADED', 'SERVICE_UNAVAILABLE'])

/**
 * Something that is the caller's or the server's fault, as opposed to what a caller can expect (a member of a result union).
 * Its message reaches the client word for word: it says what to do next and repeats nothing that a database, a driver or the
 * system said. Those belong in `options.cause`, which is logged only.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  /** Of RATE_LIMITED and OVERLOADED: when it is worth to try again. */
  readonly retryAfterSeconds: number

  constructor(
    code: FaultCode,
    message: string,
    { retryAfterSeconds = 1, ...options }: ErrorOptions & { readonly retryAfterSeconds?: number } = {},
  ) {
    super(message, options)
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}
