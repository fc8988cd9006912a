// Crawls X through the TypeScript client, and says what it does: node x-crawler.mjs <user> <output file> <page size>
import { appendFileSync, readFileSync, truncateSync } from 'node:fs'

const { PageTokenRefused, RateLimited, Waymark } = await import(process.env.WAYMARK_CLIENT)
const [userId, output, pageSize] = process.argv.slice(2)
const waymark = new Waymark()
const written = new Set()
const saved = new Set()

async function fetchPage({ pageToken }) {
  const url = new URL(`/2/users/${userId}/bookmarks`, process.env.X_API_URL)
  url.searchParams.set('max_results', pageSize)
  if (pageToken !== null) url.searchParams.set('pagination_token', pageToken)
  const answer = await fetch(url, { headers: { authorization: `Bearer ${process.env.X_TOKEN}` } })
  if (answer.status === 429) throw new RateLimited(new Date(Number(answer.headers.get('x-rate-limit-reset')) * 1000))
  if (answer.status === 400) throw new PageTokenRefused()
  if (!answer.ok) throw new Error(`X answered ${answer.status}`)
  const { data = [], meta } = await answer.json()
  return { items: data, nextToken: meta.next_token ?? null }
}

/** An item that is written and not saved, because its session was lost, is not written again; it still counts. */
function process_(items) {
  const ids = items.map(({ id }) => id)
  const fresh = ids.filter((id) => !written.has(id))
  if (fresh.length > 0) process.stdout.write(`processing ${fresh.join(' ')}\n`)
  appendFileSync(output, fresh.map((id) => `${id}\n`).join(''), { flush: true })
  for (const id of fresh) written.add(id)
  return ids.filter((id) => !saved.has(id)).length
}

function onEvent({ type, sessionId, mode }) {
  if (type === 'started') process.stdout.write(`session ${sessionId}\n${mode}: its plan\n`)
  if (type === 'saved') for (const id of written) saved.add(id)
}

/** The checkpoint counts the lines. What is more was written and not saved: that page comes again, so it is cut off. */
async function openOutput() {
  const { bookmarksCount = 0 } = (await waymark.checkpointManager(userId).getCheckpoint()) ?? {}
  const text = readFileSync(output, { encoding: 'utf8', flag: 'a+' })
  const lines = (text.match(/.+\n/g) ?? []).slice(0, bookmarksCount)
  truncateSync(output, Buffer.byteLength(lines.join('')))
  for (const line of lines) for (const ids of [written, saved]) ids.add(line.trimEnd())
}

await openOutput()
const { outcome } = await waymark.crawl({
  ...{ userId, leaseSeconds: Number(process.env.LEASE_SECONDS), busy: { waitMs: 60_000 } },
  ...{ id: (item) => item.id, fetchPage, process: process_, onEvent },
})
if (outcome !== 'completed') throw new Error(`the crawl is ${outcome}`)
