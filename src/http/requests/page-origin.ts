import type { IncomingHttpHeaders } from 'node:http'
import type { AllowedOrigins } from './cors.ts'

/**
 * Whether a browser says that a page of another site made this request, and ALLOWED_ORIGINS does not name that site. For requests that
 * browsers send without asking first: GET, HEAD. Pages can write neither header, and programs that are no browsers send none: those
 * are served. An Origin decides by itself. Where there is none (a link, an image) the site is known from Referer, which a page can
 * leave out but not forge.
 */
export function isFromElsewhere(headers: IncomingHttpHeaders, allowed: AllowedOrigins): boolean {
  const { origin, referer } = headers
  const site = headers['sec-fetch-site']
  const isHere = site === undefined || site === 'same-origin' || site === 'none'
  if (origin !== undefined) return !allowed.has(origin) && !(isHere && isOwnOrigin(headers))
  return !isHere && !allowed.has(originOf(referer))
}

/**
 * Whether Origin, which browsers send and other programs do not, names the host that was asked. A proxy in front must pass Host on.
 */
export function isOwnOrigin({ origin = '', host = '' }: IncomingHttpHeaders): boolean {
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  // With the page's scheme, so that a default port is left out of both or of none.
  const here = `${page.protocol}//${host}`
  return page.host !== '' && URL.canParse(here) && new URL(here).host === page.host
}

function originOf(url: string | undefined): string {
  return url !== undefined && URL.canParse(url) ? new URL(url).origin : ''
}
