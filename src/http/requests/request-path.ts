import type { IncomingMessage } from 'node:http'

/**
 * The path of a request's URL. We compare it exactly: yoga's own health check answers any URL that ends in its path.
 */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const queryAt = url.indexOf('?')
  return queryAt === -1 ? url : url.slice(0, queryAt)
}
