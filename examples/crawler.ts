// Crawls one X account's bookmarks, newest first, and carries on where it was killed. README.md says how to run it:
//   WAYMARK_URL=... X_API_URL=... X_TOKEN=... node crawler.js <user id> [output file: one bookmark a line] [page size]
import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync, truncateSync } from 'node:fs'
import { followPlan, type Page } from './follow-plan.ts'
import { endSession, heartbeat, LostError, saveCheckpoint, startSession, waitUntil, type Plan } from './waymark.ts'
import { fetchPage } from './x-bookmarks.ts'

const [userId = '', output = `bookmarks-${userId}.txt`, pageSize = '100'] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

/** It was told to stop while the platform made it wait. */
class StoppedError extends Error {}

/** Runs one session. @returns its plan's mode where it came to the end of the plan, undefined where it was told to stop */
async function crawl(sessionId: string): Promise<Plan['mode'] | undefined> {
  process.stdout.write(`session ${sessionId}\n`)
  const { plan, checkpoint } = await startSession({ userId, sessionId, outputFilePath: output }, stop.signal)
  if (!plan) return undefined
  process.stdout.write(`${plan.mode}: ${plan.reason}\n`)
  try {
    const done = openOutput(checkpoint?.bookmarksCount ?? 0)
    const outcome = await followPlan(plan, {
      fetchPage: (token) => fetchInTime(token, sessionId),
      process: (ids) => write(ids, done),
      save: (save) => saveCheckpoint({ ...save, userId, sessionId }),
      skip: () => heartbeat(sessionId),
      isStopped: () => stop.signal.aborted,
    })
    if (outcome === 'LOOP') throw new Error('the tokens of the list go round')
    await endSession(outcome === 'END' ? 'completeSession' : 'stopSession', { sessionId })
    return outcome === 'END' ? plan.mode : undefined
  } catch (error) {
    if (error instanceof StoppedError) {
      await endSession('stopSession', { sessionId })
      return undefined
    }
    const failure = { sessionId, errorMessage: String(error) }
    if (!(error instanceof LostError)) await endSession('failSession', failure).catch(() => 'its lease will end it')
    throw error
  }
}

/** Fetches a page; waits first for as long as the platform asks. */
async function fetchInTime(token: string | null, sessionId: string): Promise<Page> {
  for (;;) {
    const page = await fetchPage(userId, pageSize, token)
    if (!('retryAt' in page)) return page
    await waitUntil(page.retryAt, sessionId, stop)
    if (stop.signal.aborted) throw new StoppedError()
  }
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
