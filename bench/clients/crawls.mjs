// Crawls lists at once in one process, with the TypeScript client or by hand: node crawls.mjs <client|hand> <URL> <lists>
// <pages>. Prints how long it took, and its own processor time, as JSON.
import { performance } from 'node:perf_hooks'
import { crawlByHand } from './by-hand.mjs'

const [kind, url, lists, pages] = [process.argv[2], process.argv[3], Number(process.argv[4]), Number(process.argv[5])]
const PAGE_SIZE = 20

/** Newest first. A page costs nothing: what is measured is the client. */
function fetchPage({ pageToken }) {
  const page = Number(pageToken ?? 0)
  const first = (pages - page) * PAGE_SIZE
  const items = Array.from({ length: PAGE_SIZE }, (_, at) => String(1_000_000 + first - at))
  return { items, nextToken: page + 1 < pages ? String(page + 1) : null }
}

const { Waymark } = await import('../../clients/typescript/dist/index.js')
const waymark = new Waymark({ url })
const crawlOf = {
  client: (userId) =>
    waymark.crawl({ userId, stream: 'bench/list', id: (item) => item, fetchPage, process: () => undefined }),
  hand: (userId) => crawlByHand(url, { userId, stream: 'bench/list', fetchPage }),
}[kind]
const startedAt = performance.now()
const before = process.cpuUsage()
const reports = await Promise.all(Array.from({ length: lists }, (_, list) => crawlOf(`${kind}-${lists}-${list}`)))
const { user, system } = process.cpuUsage(before)
const wrong = reports.filter(({ outcome }) => outcome !== 'completed')
if (wrong.length > 0) throw new Error(`${wrong.length} crawls did not complete: ${JSON.stringify(wrong[0])}`)
const measured = { seconds: (performance.now() - startedAt) / 1_000, cpuSeconds: (user + system) / 1e6 }
process.stdout.write(`${JSON.stringify(measured)}\n`)
