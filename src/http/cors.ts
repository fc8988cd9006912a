import type { IncomingMessage, ServerResponse } from 'node:http'

/** Sites whose pages may use this server: exact origins, as browsers send them. */
export type AllowedOrigins = ReadonlySet<string>

/**
 * Lets pages of allowed sites read the answer; to all others nothing is said, so that browsers keep it from them. Credentials of
 * the browser (cookies) are never allowed: callers show theirs in Authorization, which a page must know.
 */
export function allowOrigin(
  { headers: { origin } }: IncomingMessage,
  response: ServerResponse,
  allowed: AllowedOrigins,
) {
  if (allowed.size === 0) return
  response.setHeader('vary', 'origin')
  if (origin === undefined || !allowed.has(origin)) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-expose-headers', 'x-request-id, retry-after')
}

/** A browser that asks, for a page of an allowed site, whether the page may send what it wants to. */
export function isAllowedPreflight({ method, headers }: IncomingMessage, allowed: AllowedOrigins): boolean {
  const { origin = '', 'access-control-request-method': wants } = headers
  return method === 'OPTIONS' && wants !== undefined && allowed.has(origin)
}

export function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'authorization, content-type, x-request-id',
    'access-control-max-age': '600',
  })
  response.end()
}
