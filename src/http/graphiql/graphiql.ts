import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { prefersPage } from '../answers/accept.ts'
import { acceptedCodings } from '../answers/content-coding.ts'
import { graphiqlExamples } from './graphiql-examples.ts'
import { addVary } from '../answers/revalidation.ts'
import { sendBytes } from '../answers/send.ts'

/** A browser that opens an address, as opposed to a program that asks for data. */
export function asksForPage({ method, headers }: IncomingMessage): boolean {
  return (method === 'GET' || method === 'HEAD') && prefersPage(headers.accept)
}

// The page brings all it needs. That it asks no other host for anything is the browser's to enforce.
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
 * GraphiQL 5 lays its tabs out anew when the page has loaded, but forgets to end the move, and hides that except in a tab that is pressed:
 * that one jumped away from under the pointer, and its first click was lost. So none moves, also while it is dragged to another place.
 */
const tabsStay = '<style>.graphiql-tab { transform: none !important; }</style>'

let page: Promise<{ plain: Buffer; zipped: Buffer }> | undefined

/** Sends GraphiQL with the example operations in its tabs. Rendered and compressed once, on first use: it is 9 MB. */
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
  const html = renderGraphiQL({
    title: 'Waymark',
    defaultTabs: graphiqlExamples.map(({ query }) => ({ query })),
    // Its client would GET subscriptions, which a foreign page could do as well.
    method: 'POST',
    inputValueDeprecation: true,
    schemaDescription: true,
  })
  const plain = Buffer.from(html.replace('</head>', () => `${tabsStay}</head>`))
  return { plain, zipped: await promisify(gzip)(plain) }
}
