// Crawls one X account's bookmarks, newest first, and carries on where it was killed. README.md says how to run it:
//   WAYMARK_URL=... X_API_URL=... X_TOKEN=... node crawler.js <user id> [output file: one bookmark a line] [page size]
import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync, truncateSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

type Checkpoint = { lastItemId: string; bookmarksCount: number }
type Session = { sessionId: string; checkpoint?: Checkpoint | null }
type Result = { code?: string; message?: string; nodes?: Session[]; session?: Session; checkpoint?: Checkpoint | null }
type Fault = { message: string; extensions?: { code?: string } }
type Body = { data?: unknown; errors?: Fault[]; meta?: { next_token?: string } }
type Page = { ids: string[]; next: string | undefined }

const { WAYMARK_URL = 'http://127.0.0.1:4000/graphql', X_API_URL = 'https://api.x.com', X_TOKEN = '' } = process.env
const [userId = '', output = `bookmarks-${userId}.txt`, pageSize = '100'] = process.argv.slice(2)
const sessionId = randomUUID() // made here: a start that is repeated because its answer was lost finds its own session
const CHECKPOINT = 'checkpoint { lastItemId bookmarksCount }'
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

/** Repeats what got no answer, for half a minute. Nothing is counted twice by that: counts are totals, ends are final. */
async function request(url: string, init: RequestInit): Promise<{ reply: Response; body: Body }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const reply = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) })
      const body = (await reply.json()) as Body
      if (reply.status <= 500 && body.errors?.[0]?.extensions?.code !== 'SERVICE_UNAVAILABLE') return { reply, body }
      throw new Error(`${url} is out of service`)
    } catch (error) {
      if (attempt === 35) throw error
      await sleep(Math.min(100 * attempt, 1_000))
    }
  }
}

async function waymark(query: string, variables: object): Promise<Result> {
  const headers = { 'content-type': 'application/json' }
  const { body } = await request(WAYMARK_URL, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
  if (body.errors?.[0]) throw new Error(body.errors[0].message)
  const { result } = body.data as { result: Result }
  if (result.code !== undefined && result.code !== 'SESSION_EXISTS') throw new Error(result.message)
  return result
}

/** Runs e.g. saveCheckpoint(input: SaveCheckpointInput!). What a caller can expect to go wrong comes back as UserError. */
function mutate(name: string, input: object, selection = ''): Promise<Result> {
  const result = `result: ${name}(input: $input) { ${selection} ... on UserError { code message } }`
  return waymark(`mutation ($input: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) { ${result} }`, { input })
}

/** The page at that place, '' being the top. An empty page with the same place follows a wait that X asked for. */
async function fetchPage(place: string): Promise<Page> {
  const query = new URLSearchParams({ max_results: pageSize, ...(place && { pagination_token: place }) }).toString()
  const headers = { authorization: `Bearer ${X_TOKEN}` }
  const { reply, body } = await request(`${X_API_URL}/2/users/${userId}/bookmarks?${query}`, { headers })
  if (reply.ok) return { ids: ((body.data ?? []) as { id: string }[]).map(({ id }) => id), next: body.meta?.next_token }
  if (reply.status !== 429) throw new Error(`X answered ${reply.status} ${reply.statusText}`)
  const resetMs = Math.max(Number(reply.headers.get('x-rate-limit-reset')) * 1000, Date.now() + 1000)
  while (Date.now() < resetMs && !stop.signal.aborted) {
    await mutate('heartbeat', { sessionId, bookmarksProcessed })
    await sleep(Math.min(resetMs - Date.now(), 30_000), undefined, stop).catch(() => 'woken by a signal')
  }
  return { ids: [], next: place }
}

let bookmarksProcessed = 0
// The session of a crawler that was killed still says RUNNING. (One crawler per user at a time: leases come later.)
const running = `result: sessions(first: 100, filter: { userId: $userId, stream: "twitter/bookmarks", status: RUNNING })`
const { nodes = [] } = await waymark(`query ($userId: String!) { ${running} { nodes { sessionId } } }`, { userId })
for (const dead of nodes) await mutate('failSession', { sessionId: dead.sessionId, errorMessage: 'crawler was killed' })
process.stdout.write(`session ${sessionId}\n`)
const starts = `... on StartSessionSuccess { ${CHECKPOINT} } ... on SessionExistsError { session { ${CHECKPOINT} } }`
const started = await mutate('startSession', { userId, sessionId, outputFilePath: output }, starts)
let checkpoint = started.checkpoint ?? started.session?.checkpoint
try {
  // While no crawler runs, bookmarks come on top and go anywhere, lastItemId too: it alone can't tell new from processed.
  // So the output is cut back to what the checkpoint vouches for (to nothing, if lastItemId isn't in it), the list is paged
  // from the top and that is skipped; what was processed but not saved, a page at most, comes again. Waymark's resumePlan,
  // still to come, keeps the place in such a list itself: no output need be read, and no page fetched twice.
  const lines = readFileSync(output, { encoding: 'utf8', flag: 'a+' }).split('\n')
  const done = new Set(checkpoint ? lines.slice(0, lines.indexOf(checkpoint.lastItemId) + 1) : [])
  truncateSync(output, Buffer.byteLength([...done].map((id) => `${id}\n`).join('')))
  let page: Page = { ids: [], next: '' }
  while (page.next !== undefined && !stop.signal.aborted) {
    page = await fetchPage(page.next)
    const ids = page.ids.filter((id) => !done.has(id))
    if (ids.length === 0) continue
    process.stdout.write(`processing ${ids.join(' ')}\n`)
    appendFileSync(output, ids.map((id) => `${id}\n`).join(''), { flush: true })
    bookmarksProcessed += ids.length
    const bookmarksCount = (checkpoint?.bookmarksCount ?? 0) + ids.length
    const save = { userId, sessionId, itemId: ids.at(-1), bookmarksCount }
    checkpoint = (await mutate('saveCheckpoint', save, `... on SaveCheckpointSuccess { ${CHECKPOINT} }`)).checkpoint
  }
  await mutate(page.next === undefined ? 'completeSession' : 'stopSession', { sessionId, bookmarksProcessed })
} catch (error) {
  await mutate('failSession', { sessionId, errorMessage: String(error), bookmarksProcessed }).catch(() => 'next run')
  throw error
}
