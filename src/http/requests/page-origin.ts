import type { IncomingHttpHeaders } from 'node:http'
import type { AllowedOrigins } from './cors.ts'

/**
 * Whether a browser says that a page of another site sent this request, and ALLOWED_ORIGINS does not name that site. It
 * is for requests that browsers send without a preflight: GET and HEAD.
 *
 * Pages can write neither Origin nor Sec-Fetch-Site. Programs that are not browsers send neither and are served. If
 * there is an Origin, it decides. If there is none (a link, an image), the site is known from Referer, which a page can
 * omit but not forge.
 */
export function isFromElsewhere(headers: IncomingHttpHeaders, allowed: AllowedOrigins): boolean {
  const { origin, referer } = headers
  const site = headers['sec-fetch-site']
  const isHere = site === undefined || site === 'same-origin' || site === 'none'
  if (origin !== undefined) return !allowed.has(origin) && !(isHere && isOwnOrigin(headers))
  return !isHere && !allowed.has(originOf(referer))
}

/**
 * Whether Origin names the host that the request was sent to. A proxy in front must pass Host on. Programs that are not
 * browsers send no Origin.
 */
export function isOwnOrigin({ origin = '', host = '' }: IncomingHttpHeaders): boolean {
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  // With the page's scheme, so that a default port is removed from both or from neither.
  const here = `${page.protocol}//${host}`
  return page.host !== '' && URL.canParse(here) && new URL(here).host === page.host
}

function originOf(url: string | undefined): string {
  return url !== undefined && URL.canParse(url) ? new URL(url).origin : ''
}
