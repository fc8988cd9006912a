import type { FaultCode } from '../../errors/fault.ts'

/**
 * Thrown if a request is refused before GraphQL reads it. `message` is for the client and says what to send instead.
 */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly code: FaultCode
  /** Repeated in `extensions` if Retry-After is sent. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    status: number,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    {
      code = 'BAD_USER_INPUT',
      retryAfterSeconds,
      ...options
    }: ErrorOptions & { readonly code?: FaultCode; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message, options)
    this.status = status
    this.headers = headers
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
  }
}
