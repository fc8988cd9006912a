import type { IncomingMessage } from 'node:http'
import type { AllowedOrigins } from '../http/requests/cors.ts'
import { isOwnOrigin } from '../http/requests/page-origin.ts'
import { RefusedRequest } from '../http/requests/refused-request.ts'
import { pathOf } from '../http/requests/request-path.ts'

/** Whether an upgrade request asks for a WebSocket, and not for another protocol. */
export function asksForWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket'
}

/** Finds why a request may not open a WebSocket. @returns undefined if it may */
export function findUpgradeRefusal(
  request: IncomingMessage,
  allowedOrigins: AllowedOrigins,
): RefusedRequest | undefined {
  if (pathOf(request) !== '/graphql') return new RefusedRequest(404, 'No WebSocket is served here. It is at /graphql.')
  const { origin } = request.headers
  // Browsers let every page open a WebSocket to any server without a preflight.
  if (origin !== undefined && !isOwnOrigin(request.headers) && !allowedOrigins.has(origin)) {
    return new RefusedRequest(
      403,
      'A page of another site may not open a WebSocket here: Origin and Host must name the same host, or ALLOWED_ORIGINS must name the page’s origin.',
    )
  }
  return undefined
}
