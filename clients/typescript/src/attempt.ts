import { ForbiddenError, InvalidInputError, UnauthenticatedError, UnavailableError, WaymarkError } from './errors.ts'

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly text: string
  readonly variables: object | undefined
  /** Whether it writes: then a lost answer leaves open whether it did. */
  readonly isMutation: boolean
}

export interface Link {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof globalThis.fetch
  /** How long one attempt may take. */
  readonly timeoutMs: number
  /** Takes the key out of a text. */
  readonly redact: (text: string) => string
}

/** What came of one attempt. */
export type Attempt =
  | { readonly data: unknown; readonly error?: undefined }
  | { readonly error: WaymarkError; readonly isRetriable: boolean; readonly retryAfterMs: number }

interface GraphQLFailure {
  readonly message?: string
  readonly extensions?: { readonly code?: string; readonly requestId?: string; readonly retryAfterSeconds?: number }
}
interface Body {
  readonly data?: unknown
  readonly errors?: readonly GraphQLFailure[]
}

const RETRIABLE_STATUS = new Set([502, 503, 504])
/** The server refuses with these before it begins. */
const NOT_BEGUN = new Set(['OVERLOADED', 'RATE_LIMITED'])
const RETRIABLE = new Set([...NOT_BEGUN, 'SERVICE_UNAVAILABLE'])
/** Of Node and undici: the connection never stood, so nothing was sent. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Sends a request once. Only an abort by the caller is thrown. */
export async function attempt(link: Link, request: WireRequest, signal: AbortSignal | undefined): Promise<Attempt> {
  signal?.throwIfAborted()
  const cut = new AbortController()
  const abort = () => cut.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    cut.abort()
  }, link.timeoutMs)
  try {
    const response = await link.fetch(link.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...link.headers },
      body: JSON.stringify({ query: request.text, variables: request.variables }),
      signal: cut.signal,
    })
    return judge(link, request, response, await response.text())
  } catch (error) {
    signal?.throwIfAborted()
    return failed(link, request, error, isLate)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** No answer came. */
function failed(link: Link, { isMutation }: WireRequest, error: unknown, isLate: boolean): Attempt {
  const reason = isLate ? `no answer in ${link.timeoutMs / 1000} s` : link.redact(reasonOf(error))
  const mayHaveWritten = isMutation && (isLate || !NOT_CONNECTED.has(codeOf(error)))
  const code = isLate ? 'TIMEOUT' : 'NETWORK_ERROR'
  const cause = isLate ? undefined : new Error(reason)
  const message = `Waymark did not answer: ${reason}. Check its address, and that it runs.`
  return { error: new UnavailableError(message, { code, mayHaveWritten, cause }), isRetriable: true, retryAfterMs: 0 }
}

/** @returns what an answer says */
export function judge(link: Link, { isMutation }: WireRequest, response: Response, text: string): Attempt {
  const requestId = response.headers.get('x-request-id')
  const body = bodyOf(text)
  if (!body) {
    const { status } = response
    // An answer that was cut off is no answer. A page that some other server sent is one.
    const isCut = response.ok && text.trimStart().startsWith('{')
    const isRetriable = isCut || RETRIABLE_STATUS.has(status) || status === 429
    const code = isCut ? 'NETWORK_ERROR' : codeOfStatus(status)
    const message = isCut
      ? 'The answer was cut off.'
      : `The address answered HTTP ${status}, not as Waymark does. Check it.`
    const details = { code, requestId }
    return {
      error: isRetriable
        ? new UnavailableError(message, { ...details, mayHaveWritten: isMutation && status !== 429 })
        : errorOf(message, details),
      isRetriable,
      retryAfterMs: secondsOf(response.headers.get('retry-after')) * 1000,
    }
  }
  const [first] = body.errors ?? []
  if (!first) return { data: body.data }
  const { code = 'INTERNAL_SERVER_ERROR', retryAfterSeconds } = first.extensions ?? {}
  const message = link.redact(first.message ?? 'Waymark answered with an error.')
  const details = { code, requestId: first.extensions?.requestId ?? requestId }
  if (!RETRIABLE.has(code)) return { error: errorOf(message, details), isRetriable: false, retryAfterMs: 0 }
  const mayHaveWritten = isMutation && !NOT_BEGUN.has(code)
  const retryAfterMs = (retryAfterSeconds ?? secondsOf(response.headers.get('retry-after'))) * 1000
  return { error: new UnavailableError(message, { ...details, mayHaveWritten }), isRetriable: true, retryAfterMs }
}

/** @returns undefined where the text is no answer of a GraphQL server */
function bodyOf(text: string): Body | undefined {
  try {
    const body = JSON.parse(text) as Body | null
    const isAnswer = typeof body === 'object' && body !== null && ('data' in body || Array.isArray(body.errors))
    return isAnswer ? body : undefined
  } catch {
    return undefined
  }
}

/** @returns the error of a code that no repeat can heal */
export function errorOf(
  message: string,
  details: { readonly code: string; readonly requestId: string | null },
): WaymarkError {
  if (details.code === 'UNAUTHENTICATED') return new UnauthenticatedError(message, details)
  if (details.code === 'FORBIDDEN') return new ForbiddenError(message, details)
  if (details.code === 'BAD_USER_INPUT') return new InvalidInputError(message, details)
  return new WaymarkError(message, details)
}

function codeOfStatus(status: number): string {
  const known: Record<number, string> = { 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN', 429: 'RATE_LIMITED' }
  return known[status] ?? `HTTP_${status}`
}

/** @param header Retry-After: seconds, or a date */
function secondsOf(header: string | null): number {
  if (header === null) return 0
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(seconds, 0)
  const at = Date.parse(header)
  return Number.isNaN(at) ? 0 : Math.max((at - Date.now()) / 1000, 0)
}

/** fetch says "fetch failed"; what failed is its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? `${error.message} (${cause.message || codeOf(error)})` : error.message
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  return typeof cause === 'object' && cause !== null ? codeOf(cause) : ''
}
