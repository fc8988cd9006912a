import { createServer, type Server } from 'node:http'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rounds } from '../faults/rounds.ts'
import { seededRandom, type SeededRandom } from '../support/crawl-random.ts'
import { compileCrawler, CrawlRun } from '../support/crawl-run.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { SimulatedList } from './simulated-list.ts'

const LISTS = rounds(20, 2)
/** Each list is crawled to its end this often. */
const CRAWLS_EACH = rounds(10, 3)
const SEED = Number(process.env['LIST_SEED'] ?? 20_261_130)

let folder: string
let script: string
let waymark: TestWaymark
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-example-'))
  script = await compileCrawler(folder)
  waymark = await startWaymark()
})
afterAll(async () => {
  await waymark[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** The list as X would serve it. */
async function serve(
  list: SimulatedList,
  random: SeededRandom,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    if (random.below(4) === 0) list.change()
    const page = list.fetchPage(new URL(request.url ?? '/', 'http://x.test').searchParams.get('pagination_token'))
    const next = page.isTokenRefused ? null : page.next
    const data = page.isTokenRefused ? [] : page.ids.map((id) => ({ id }))
    response.writeHead(page.isTokenRefused ? 400 : 200, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({ data, meta: { result_count: data.length, ...(next !== null && { next_token: next }) } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

it(
  `examples/crawler.ts, killed at random (kill -9), misses no item of ${LISTS} lists that change`,
  { timeout: 3_600_000 },
  async () => {
    const missed: string[] = []
    let [completed, kills] = [0, 0]
    for (let number = 1; number <= LISTS; number += 1) {
      const random = seededRandom(SEED + number)
      const hazards = {
        ...{ pageSize: [1, 3, 5][random.below(3)] ?? 5, window: number % 4 === 0 ? 10 : undefined },
        ...{ hasPins: true, hasEmptyPages: true, hasFalseEnds: true, refusesTokens: true, hasReturns: true },
        ...{ hasRemovals: true, hasOffsets: false },
      }
      const list = new SimulatedList(random, hazards, 20 + random.below(20))
      const userId = String(number)
      const output = join(folder, `${number}.txt`)
      await mutate(waymark, 'registerUser', { userId })
      const { url, server } = await serve(list, random)
      let crawls = 0
      let since: number | undefined
      try {
        while (crawls < CRAWLS_EACH) {
          for (let change = random.below(6); change > 0; change -= 1) list.change()
          // From the first process that begins after a completed crawl.
          since ??= list.now
          await using run = new CrawlRun({
            script,
            env: { WAYMARK_URL: waymark.url, X_API_URL: url, X_TOKEN: 'any', LEASE_SECONDS: '3600' },
            args: [userId, output, String(hazards.pageSize)],
          })
          if (random.below(2) === 0) {
            await Promise.race([run.processing(1 + random.below(3)), run.ended])
            await delay(random.below(30))
            await run.kill()
          }
          const code = await run.ended
          for (const { sessionId } of run.sessions) {
            // Nobody waits for the lease of one that was killed.
            await mutate(waymark, 'failSession', { sessionId, errorMessage: 'killed' })
          }
          if (code !== 0) {
            // A platform may refuse its own tokens for a day.
            expect(run.killed || run.errors.includes('refuses its own tokens'), run.errors).toBe(true)
            kills += 1
            continue
          }
          crawls += 1
          const processed = new Set((await readFile(output, 'utf8')).split('\n'))
          for (const { id, since: from, isBelow } of list.shown())
            if (from < since && !isBelow && !processed.has(id)) missed.push(`${userId} ${id}`)
          since = undefined
        }
      } finally {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
      completed += crawls
    }
    expect(missed).toEqual([])
    expect(completed).toBe(LISTS * CRAWLS_EACH)
    expect(kills).toBeGreaterThan(0)
  },
)
