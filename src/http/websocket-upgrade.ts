import type { IncomingMessage } from 'node:http'
import type { AllowedOrigins } from './cors.ts'
import { RefusedRequest } from './refused-request.ts'
import { pathOf } from './request-path.ts'

export function asksForWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket'
}

/** Why a request doesn't get its WebSocket; undefined: it does. */
export function findUpgradeRefusal(
  request: IncomingMessage,
  allowedOrigins: AllowedOrigins,
): RefusedRequest | undefined {
  if (pathOf(request) !== '/graphql') return new RefusedRequest(404, 'No WebSocket is served here. It is at /graphql.')
  if (isCrossSite(request) && !allowedOrigins.has(request.headers.origin ?? '')) {
    return new RefusedRequest(
      403,
      'A page of another site may not open a WebSocket here: Origin and Host must name the same host, or ALLOWED_ORIGINS the page’s.',
    )
  }
  return undefined
}

/**
 * Browsers let every page open a WebSocket anywhere, without asking first, and tell in Origin which site it is of; other programs send none.
 * A proxy in front must pass Host on.
 */
function isCrossSite({ headers: { origin, host = '' } }: IncomingMessage): boolean {
  if (origin === undefined) return false
  if (!URL.canParse(origin)) return true
  const page = new URL(origin)
  // With the page's scheme, so that a default port is left out of both or of none.
  const here = `${page.protocol}//${host}`
  return page.host === '' || !URL.canParse(here) || new URL(here).host !== page.host
}
