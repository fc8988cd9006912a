// Crawls one X account's bookmarks, newest first, and carries on where it was killed. README.md says how to run it:
//   WAYMARK_URL=... X_API_URL=... X_TOKEN=... node crawler.js <user id> [output file: one bookmark a line] [page size]
import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync, truncateSync } from 'node:fs'
import { endSession, LostError, saveCheckpoint, startSession, waitUntil, type Plan } from './waymark.ts'
import { fetchPage } from './x-bookmarks.ts'

const [userId = '', output = `bookmarks-${userId}.txt`, pageSize = '100'] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

/** Runs one session. @returns its plan's mode where it came to the end of the plan, undefined where it was told to stop */
async function crawl(sessionId: string): Promise<Plan['mode'] | undefined> {
  process.stdout.write(`session ${sessionId}\n`)
  const { plan, checkpoint } = await startSession({ userId, sessionId, outputFilePath: output }, stop.signal)
  if (!plan) return undefined
  process.stdout.write(`${plan.mode}: ${plan.reason}\n`)
  try {
    const done = openOutput(checkpoint?.bookmarksCount ?? 0)
    const isEnd = await followPlan(sessionId, plan, done)
    await endSession(isEnd ? 'completeSession' : 'stopSession', { sessionId })
    return isEnd ? plan.mode : undefined
  } catch (error) {
    const failure = { sessionId, errorMessage: String(error) }
    if (!(error instanceof LostError)) await endSession('failSession', failure).catch(() => 'its lease will end it')
    throw error
  }
}

/** Goes down the list, page by page. @returns whether it came to an anchor or the end */
async function followPlan(sessionId: string, plan: Plan, done: Set<string>): Promise<boolean> {
  const top = { token: null, above: null }
  let place: { token: string | null; above: string | null } = top
  if (plan.pageToken !== null) place = { token: plan.pageToken, above: plan.afterItemId }
  // Without a token: pages are skipped down to the one that holds the last item processed.
  let skipTo = plan.pageToken === null ? plan.afterItemId : null
  while (!stop.signal.aborted) {
    const page = await fetchPage(userId, pageSize, place.token)
    if (page.retryAt) {
      await waitUntil(page.retryAt, sessionId, stop)
      continue
    }
    if (page.isTokenRefused) {
      if (skipTo !== null || place.token !== plan.pageToken)
        throw new Error('X refuses a token that it gave out just now')
      ;[place, skipTo] = [top, plan.afterItemId]
      continue
    }
    const ids = page.ids.slice(0, countBeforeAnchor(place.above, page.ids, plan.untilItemIds))
    const isEnd = ids.length < page.ids.length || page.next === null
    if (skipTo !== null && !ids.includes(skipTo)) {
      // Not met at all: it was unbookmarked, and nothing may be skipped.
      if (isEnd) skipTo = null
      place = isEnd ? top : { token: page.next, above: page.ids.at(-1) ?? null }
      continue
    }
    skipTo = null
    const bookmarksAdded = write(ids, done)
    if (ids.length > 0) {
      // The last page names itself: a token below an anchor would lead past it.
      const pageToken = isEnd ? place.token : page.next
      // Waymark takes the head of a crawl once, from the session that begins it; any other is ignored.
      const headItemIds = place.token === null ? page.ids.slice(0, 50) : null
      const save = { userId, sessionId, itemId: ids.at(-1), pageToken, headItemIds, bookmarksAdded }
      if (await saveCheckpoint(save)) stop.abort()
    }
    if (isEnd) return true
    place = { token: page.next, above: page.ids.at(-1) ?? place.above }
  }
  return false
}

/** How many come before an anchor: two neighbours that are neighbours in `until` too, or the only one that it holds. */
function countBeforeAnchor(above: string | null, ids: string[], until: string[]): number {
  const pairs = until.slice(1).map((id, at) => `${until[at]} ${id}`)
  if (pairs.includes(`${above} ${ids[0]}`)) return 0
  const met = ids.findIndex((id, at) => (until[1] ? pairs.includes(`${id} ${ids[at + 1]}`) : id === until[0]))
  return met === -1 ? ids.length : met
}

/** The checkpoint counts the lines. What is more was processed and not saved: that page comes again, so it is cut off. */
function openOutput(count: number): Set<string> {
  const lines = (readFileSync(output, { encoding: 'utf8', flag: 'a+' }).match(/.+\n/g) ?? []).slice(0, count)
  truncateSync(output, Buffer.byteLength(lines.join('')))
  return new Set(lines.map((line) => line.trimEnd()))
}

/** What this crawler is for. An item that is there already isn't written again. @returns how many are new */
function write(ids: string[], done: Set<string>): number {
  const fresh = ids.filter((id) => !done.has(id))
  if (fresh.length > 0) process.stdout.write(`processing ${fresh.join(' ')}\n`)
  appendFileSync(output, fresh.map((id) => `${id}\n`).join(''), { flush: true })
  for (const id of fresh) done.add(id)
  return fresh.length
}

// What came on top while a crawl was interrupted lies above its head: after RESUME crawl from the top at once.
while ((await crawl(randomUUID())) === 'RESUME');
