import type { IncomingMessage } from 'node:http'

/** Exact: yoga's own health check answers any URL that ends in its path. */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const queryAt = url.indexOf('?')
  return queryAt === -1 ? url : url.slice(0, queryAt)
}
