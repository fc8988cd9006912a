import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { prefersPage } from '../answers/accept.ts'
import { acceptedCodings } from '../answers/content-coding.ts'
import { graphiqlExamples } from './graphiql-examples.ts'
import { addVary } from '../answers/revalidation.ts'
import { sendBytes } from '../answers/send.ts'

/** Whether the request comes from a browser that opens an address, not from a program that reads data. */
export function asksForPage({ method, headers }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && prefersPage(headers.accept)
}

// The page contains everything it needs. This policy makes the browser refuse requests to other hosts.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'unsafe-eval' blob:",
  'worker-src blob:',
  "style-src 'unsafe-inline'",
  'img-src data: blob:',
  'font-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * GraphiQL 5 lays its tabs out again after the page has loaded, but does not end the animation. It hides that except in
 * a tab that is pressed: the tab jumped away from the pointer, and its first click was lost. So no tab moves, even
 * while it is dragged.
 */
const tabsStay = '<style>.graphiql-tab { transform: none !important; }</style>'

let page: Promise<{ plain: Buffer; zipped: Buffer }> | undefined

/**
 * Sends GraphiQL with the example operations in its tabs. The page has 9 MB, so it is rendered and compressed only
 * once, at the first request.
 */
export async function sendGraphiQL(request: IncomingMessage, response: ServerResponse): Promise<void> {
  page ??= renderPage()
  const { plain, zipped } = await page
  const zips = acceptedCodings(request.headers['accept-encoding']).gzip
  const bytes = zips ? zipped : plain
  addVary(response, 'accept, accept-encoding')
  sendBytes(response, 200, 'text/html; charset=utf-8', bytes, {
    'content-security-policy': contentSecurityPolicy,
    ...(zips ? { 'content-encoding': 'gzip' } : {}),
  })
}

async function renderPage(): Promise<{ plain: Buffer; zipped: Buffer }> {
  // 9 MB of source: loaded at every start, they would take a sixth of its processor time.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = renderGraphiQL({
    title: 'Waymark',
    defaultTabs: graphiqlExamples.map(({ query }) => ({ query })),
    // Its client would send subscriptions by GET, which a page of another site could do too.
    method: 'POST',
    inputValueDeprecation: true,
    schemaDescription: true,
  })
  const plain = Buffer.from(html.replace('</head>', () => `${tabsStay}</head>`))
  return { plain, zipped: await promisify(gzip)(plain) }
}
