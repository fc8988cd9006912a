// Crawls the bookmarks of an X account into a file, one ID a line, and continues where it was killed:
//   WAYMARK_KEY=... X_TOKEN=... node x-bookmarks.ts <user id> [output file] [page size]
import { appendFileSync, readFileSync, truncateSync } from 'node:fs'
import { hostname } from 'node:os'
import { NeedsAttention, type Page, PageTokenRefused, RateLimited, Waymark } from 'waymark-client'

const { X_API_URL = 'https://api.x.com', X_TOKEN = '', LEASE_SECONDS = '30' } = process.env
const [userId = '', output = `bookmarks-${userId}.txt`, pageSize = '100'] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

type Bookmark = { id: string }
type Answer = { data?: Bookmark[]; meta?: { next_token?: string } }

async function askX(token: string | null): Promise<Page<Bookmark>> {
  const query = new URLSearchParams({ max_results: pageSize, ...(token !== null && { pagination_token: token }) })
  const url = `${X_API_URL}/2/users/${userId}/bookmarks?${query.toString()}`
  const headers = { authorization: `Bearer ${X_TOKEN}` }
  const reply = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) })
  if (reply.status === 429) throw new RateLimited(Number(reply.headers.get('x-rate-limit-reset')) * 1000)
  if (reply.status === 400 && token !== null) throw new PageTokenRefused()
  if (reply.status === 401) throw new NeedsAttention('Get a new X_TOKEN')
  if (!reply.ok) throw new Error(`X answered ${reply.status} ${reply.statusText}`)
  const { data = [], meta } = (await reply.json()) as Answer
  return { items: data, nextToken: meta?.next_token ?? null }
}

/** X ends a list early at times: it is asked again before an end is believed. */
async function fetchPage(token: string | null): Promise<Page<Bookmark>> {
  const page = await askX(token)
  return page.nextToken === null ? askX(token) : page
}

/** The file holds each bookmark once. A line that a kill cut in two is written again. */
function openOutput(): Set<string> {
  const lines = readFileSync(output, { encoding: 'utf8', flag: 'a+' }).match(/.+\n/g) ?? []
  truncateSync(output, Buffer.byteLength(lines.join('')))
  return new Set(lines.map((line) => line.trimEnd()))
}

const known = openOutput()
const report = await new Waymark().crawl({
  userId,
  leaseSeconds: Number(LEASE_SECONDS),
  busy: { waitMs: 2 * Number(LEASE_SECONDS) * 1000 },
  worker: `${hostname()}:${process.pid}`,
  outputFilePath: output,
  signal: stop.signal,
  id: ({ id }: Bookmark) => id,
  fetchPage: ({ pageToken }) => fetchPage(pageToken),
  process(bookmarks) {
    const fresh = bookmarks.filter(({ id }) => !known.has(id))
    appendFileSync(output, fresh.map(({ id }) => `${id}\n`).join(''), { flush: true })
    for (const { id } of fresh) known.add(id)
    return fresh.length
  },
})
process.stdout.write(`${report.outcome}: ${report.sessions.map(({ mode, added }) => `${mode} ${added}`).join(', ')}\n`)
