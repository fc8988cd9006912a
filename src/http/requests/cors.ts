import type { IncomingMessage, ServerResponse } from 'node:http'
import { RefusedRequest } from './refused-request.ts'
import { addVary } from '../answers/revalidation.ts'

/** The sites whose pages may use this server: exact origins, as browsers send them. */
export type AllowedOrigins = ReadonlySet<string>

/** What pages of allowed sites may send. */
export interface CorsPolicy {
  readonly origins: AllowedOrigins
  /** Names of the headers that they may send besides REQUEST_HEADERS, in lower case. */
  readonly headers: readonly string[]
}

/**
 * The headers that GraphQL clients send: the caller's credentials, trace and request IDs, and Apollo Client's name and
 * version.
 */
export const REQUEST_HEADERS: readonly string[] = [
  'authorization',
  'content-type',
  'traceparent',
  'tracestate',
  'x-request-id',
  'apollographql-client-name',
  'apollographql-client-version',
]
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST']

/**
 * Lets pages of allowed sites read the answer. Other pages get no such header, so browsers keep the answer from them.
 * Cookies are never allowed: callers authenticate by Authorization, which a page must set itself.
 */
export function allowOrigin(
  { headers: { origin } }: IncomingMessage,
  response: ServerResponse,
  allowed: AllowedOrigins,
) {
  if (allowed.size === 0) return
  addVary(response, 'origin')
  if (origin === undefined || !allowed.has(origin)) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-expose-headers', 'x-request-id, retry-after, etag')
}

/** Whether a browser asks if a page may send its request. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/**
 * Answers a preflight with what a page of an allowed site may send. The browser compares it with the page's request.
 * @returns why the browser will refuse the page's request, for the log; undefined: it will send it
 * @throws RefusedRequest 405 if the page is of another site
 */
export function answerPreflight(
  { headers }: IncomingMessage,
  response: ServerResponse,
  policy: CorsPolicy,
): string | undefined {
  if (!policy.origins.has(headers.origin ?? '')) {
    throw new RefusedRequest(
      405,
      'Pages of this origin may not use this server: ALLOWED_ORIGINS must name it, exactly as the browser sends it.',
      { allow: METHODS.join(', ') },
    )
  }
  const names = [...REQUEST_HEADERS, ...policy.headers]
  response.writeHead(204, {
    'access-control-allow-methods': METHODS.join(', '),
    'access-control-allow-headers': names.join(', '),
    'access-control-max-age': '600',
  })
  response.end()
  return findObstacle(headers['access-control-request-method'], headers['access-control-request-headers'], names)
}

function findObstacle(method = '', headers = '', names: readonly string[]): string | undefined {
  if (!METHODS.includes(method)) return `pages may send ${METHODS.join(', ')} only`
  const asked = headers.split(',').map((name) => name.trim().toLowerCase())
  const unknown = asked.find((name) => name !== '' && !names.includes(name))
  // The page chose the name, so it is cleaned for the log.
  return unknown && `ALLOWED_HEADERS does not name ${unknown.slice(0, 100).replaceAll(/[^\w-]/g, '?')}`
}
