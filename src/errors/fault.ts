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

/** Codes after which the same operation can be sent again, after extensions.retryAfterSeconds. */
export const RETRIABLE: ReadonlySet<FaultCode> = new Set(['RATE_LIMITED', 'OVERLOADED', 'SERVICE_UNAVAILABLE'])

/**
 * An error that is the caller's or the server's fault, unlike an expected outcome (a member of a result union). The
 * client gets its message word for word: it says what to do next, and repeats nothing that a database, a driver or the
 * system said. Such texts belong in `options.cause`, which is only logged.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  /** For RATE_LIMITED and OVERLOADED: when to try again. */
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
