import type { FaultCode } from '../fault.ts'

/** Thrown where a request is refused before GraphQL sees it. `message` is for the client and says what to send instead. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly code: FaultCode

  constructor(
    status: number,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    { code = 'BAD_USER_INPUT', ...options }: ErrorOptions & { readonly code?: FaultCode } = {},
  ) {
    super(message, options)
    this.status = status
    this.headers = headers
    this.code = code
  }
}
