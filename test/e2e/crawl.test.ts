import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { BuiltClient } from '../clients/conformance/built-client.ts'
import { PYTHON } from '../clients/conformance/driver.ts'
import {
  expectFewRepeats,
  expectTruthfulSessions,
  expectWholeList,
  pagesServed,
  readCheckpoint,
  readSessions,
} from '../support/crawl-ledger.ts'
import { seededRandom } from '../support/crawl-random.ts'
import type { SeededRandom } from '../support/crawl-random.ts'
import { compileCrawler, CrawlRun } from '../support/crawl-run.ts'
import { CrawlServer } from '../support/crawl-server.ts'
import { startXApi } from '../support/x-api.ts'
import type { XApi } from '../support/x-api.ts'

// Crawlers wait for leases of those that were killed, and for a server and its PostgreSQL to come back.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

type Victim = 'crawler' | 'server' | 'postgres'

const victims: readonly Victim[] = [
  ...Array<Victim>(8).fill('crawler'),
  ...Array<Victim>(6).fill('server'),
  ...Array<Victim>(6).fill('postgres'),
]
const pageSize = 10
/** The shortest there is: so long does the next crawler wait for one that was killed. */
const leaseSeconds = 5
/** Printed with the title. CRAWL_SEED=<that number> makes the same choices again; the machine's timing remains its own. */
const seed = Number(process.env['CRAWL_SEED'] ?? randomInt(2 ** 31))

/** A crawler of X as a process. */
interface Crawler {
  readonly name: string
  readonly program?: string
  /** undefined: the one of the examples. */
  readonly script?: string
  readonly env?: Record<string, string>
  /** Whether it learns the ID of its session with the answer. */
  readonly isToldByServer?: boolean
}

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const EXAMPLE: Crawler = { name: 'examples/crawler.ts' }
const CLIENTS: readonly Crawler[] = [
  { name: 'the TypeScript client', script: pathOf('crawlers/x-crawler.mjs'), isToldByServer: true },
  ...(PYTHON === undefined
    ? []
    : [
        {
          ...{ name: 'the Python client', program: PYTHON, script: pathOf('crawlers/x-crawler.py') },
          env: { PYTHONPATH: pathOf('../../clients/python/src') },
          isToldByServer: true,
        },
      ]),
]

let folder: string
let script: string
let built: BuiltClient
let server: CrawlServer
let users = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-crawler-'))
  script = await compileCrawler(folder)
  built = await BuiltClient.build()
  server = await CrawlServer.start()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await built[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** One user's list and the crawler processes that went through it. */
class Crawl implements AsyncDisposable {
  readonly runs: CrawlRun[] = []
  readonly output: string

  private constructor(
    readonly userId: string,
    readonly api: XApi,
    readonly crawler: Crawler,
  ) {
    this.output = join(folder, `${userId}.txt`)
  }

  static async begin(crawler = EXAMPLE): Promise<Crawl> {
    users += 1
    const userId = `22449945${users}`
    const register = 'mutation ($input: RegisterUserInput!) { registerUser(input: $input) { __typename } }'
    expect(await server.query(register, { input: { userId } })).toEqual({
      registerUser: { __typename: 'RegisterUserSuccess' },
    })
    return new Crawl(userId, await startXApi({ userId, delayMs: 3 }), crawler)
  }

  run(token = this.api.token): CrawlRun {
    const { program, script: own = script, env } = this.crawler
    const run = new CrawlRun({
      script: own,
      ...(program !== undefined && { program }),
      env: {
        ...{ WAYMARK_URL: server.url, X_API_URL: this.api.url, X_TOKEN: token, LEASE_SECONDS: String(leaseSeconds) },
        ...{ WAYMARK_CLIENT: built.path, ...env },
      },
      args: [this.userId, this.output, String(pageSize)],
    })
    this.runs.push(run)
    return run
  }

  async runToEnd(): Promise<CrawlRun> {
    const run = this.run()
    expect(await run.ended, run.errors).toBe(0)
    return run
  }

  /** Kills a run that has begun to process so many pages. */
  async runUntilKilled(pages: number): Promise<CrawlRun> {
    const run = this.run()
    await run.processing(pages)
    await run.kill()
    return run
  }

  async expectWhole(): Promise<void> {
    await expectWholeList(server, { userId: this.userId, output: this.output, listed: this.api.itemIds() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.runs) await run[Symbol.asyncDispose]()
    await this.api[Symbol.asyncDispose]()
  }
}

/** Items come on top and go anywhere, the one the crawl stands at among them. */
function changeList(api: XApi, random: SeededRandom, lastItemId: string | undefined): void {
  const listed = api.itemIds()
  for (let count = random.below(4); count > 0; count -= 1) {
    api.add(String(1_500_000_000_000_000_000n + BigInt(random.below(2 ** 31))))
    api.remove(listed[random.below(listed.length)] ?? '')
  }
  if (lastItemId !== undefined && random.below(3) === 0) api.remove(lastItemId)
}

test.each(CLIENTS)(
  `$name processes every bookmark, at most a page twice per kill, through twenty kills (CRAWL_SEED=${seed})`,
  { timeout: 600_000 },
  async (crawler) => {
    const random = seededRandom(seed)
    const kills = random.shuffled(victims)
    while (kills.length > 0) {
      await using crawl = await Crawl.begin(crawler)
      // Now and then the crawler must wait, a second at most, and a kill may find it waiting.
      crawl.api.setRateLimit(60, 1)
      await killOnTheWay(crawl, kills, random)
      await crawl.expectWhole()
      expectFewRepeats(crawl.runs, pageSize)
      await expectTruthfulSessions(server, crawl.userId, crawl.runs, crawler.isToldByServer)
      // Nobody goes through the whole list again: a run costs the page that was cut off, and the top of the list.
      const pages = Math.ceil(crawl.api.itemIds().length / pageSize)
      expect(pagesServed(crawl.api).length).toBeLessThan(pages + 4 * crawl.runs.length + 4)
    }
    // A dead database is SERVICE_UNAVAILABLE, never a bug.
    expect(server.log).not.toContain('INTERNAL_SERVER_ERROR')
  },
)

if (PYTHON === undefined) test.skip('the Python client: this machine has no /usr/bin/python3', () => undefined)

/** Kills and restarts until the kills are used up and a run got through a list that nobody changed meanwhile. */
async function killOnTheWay(crawl: Crawl, kills: Victim[], random: SeededRandom): Promise<void> {
  let run = crawl.run()
  let changed = false
  for (;;) {
    const moment = kills.length > 0 ? nextMoment(crawl, run, random) : new Promise<never>(() => undefined)
    const exitCode = await Promise.race([run.ended, moment])
    if (exitCode !== 'now') {
      expect(exitCode, `${run.errors}\n${server.log.slice(-4_000)}`).toBe(0)
      if (!changed) return
      changed = false
      run = crawl.run()
      continue
    }
    await sleep(random.below(31))
    changed = true
    changeList(crawl.api, random, run.pages.at(-1)?.at(-1))
    switch (kills.pop()) {
      case 'crawler':
        await run.kill()
        changed = false
        run = crawl.run()
        break
      case 'server':
        await server.kill()
        server.launch()
        break
      case 'postgres':
        await server.killPostgres()
        break
      case undefined:
    }
  }
}

/** What a kill follows: a page that is new to the crawl, any page (also one that is skipped), or just the crawler's start. */
async function nextMoment(crawl: Crawl, run: CrawlRun, random: SeededRandom): Promise<'now'> {
  const pages = 1 + random.below(3)
  switch (random.below(5)) {
    case 0:
      await sleep(random.below(150))
      break
    case 1:
      await crawl.api.pagesServed(crawl.api.requests.filter(({ status }) => status === 200).length + pages)
      break
    default:
      await run.processing(run.pages.length + pages)
  }
  return 'now'
}

test('carries on where it was killed: what was removed meanwhile is no trap, and what came on top is fetched at once after', async () => {
  await using crawl = await Crawl.begin()
  await crawl.runUntilKilled(5)
  const { lastItemId } = (await readCheckpoint(server, crawl.userId)) ?? expect.fail('nothing was saved')
  const processed = new Set(crawl.runs[0]?.pages.flat())
  const [, , second = '', third = ''] = [...processed]
  crawl.api.remove(lastItemId)
  crawl.api.remove(second)
  crawl.api.remove(third)
  crawl.api.remove(crawl.api.itemIds()[60] ?? '')
  crawl.api.add('1500000000000000001')
  crawl.api.add('1500000000000000002')
  const asked = crawl.api.requests.length
  const run = await crawl.runToEnd()
  expect(run.sessions.map(({ mode }) => mode)).toEqual(['RESUME', 'INCREMENTAL'])
  expect(run.sessions.at(1)?.pages).toEqual([['1500000000000000002', '1500000000000000001']])
  await crawl.expectWhole()
  expectFewRepeats(crawl.runs, pageSize)
  const left = crawl.api.itemIds().filter((id) => !processed.has(id)).length
  expect(pagesServed(crawl.api, asked).length).toBeLessThanOrEqual(Math.ceil(left / pageSize) + 3)
})

test('sees every item of a list that is changed while its crawl is interrupted five times', async () => {
  await using crawl = await Crawl.begin()
  const random = seededRandom(seed)
  for (let interruption = 1; interruption <= 5; interruption += 1) {
    const run = await crawl.runUntilKilled(4)
    expect(run.sessions.map(({ mode }) => mode)).toEqual([interruption === 1 ? 'FULL' : 'RESUME'])
    changeList(crawl.api, random, run.pages.at(-1)?.at(-1))
  }
  await crawl.runToEnd()
  await crawl.expectWhole()
  expectFewRepeats(crawl.runs, pageSize)
  await expectTruthfulSessions(server, crawl.userId, crawl.runs)
  const { checkpointHistory } = await server.query<{
    checkpointHistory: { nodes: { source: string; anchorItemIds: string[] }[] }
  }>(`query ($userId: String!) { checkpointHistory(userId: $userId, first: 100) { nodes { source anchorItemIds } } }`, {
    userId: crawl.userId,
  })
  const first = checkpointHistory.nodes.findLast(({ source }) => source === 'COMPLETE')
  expect(first?.anchorItemIds).toEqual(crawl.runs[0]?.pages[0])
}, 120_000)

test('fetches what is new and at most a page more, also when anchors were removed', async () => {
  await using crawl = await Crawl.begin()
  await crawl.runToEnd()
  const [first = '', , third = ''] = crawl.api.itemIds()
  let added = 0
  const crawlAgain = async (count: number) => {
    const asked = crawl.api.requests.length
    for (let left = count; left > 0; left -= 1) crawl.api.add(String(1_500_000_000_000_000_000n + BigInt((added += 1))))
    const run = await crawl.runToEnd()
    expect(run.sessions.map(({ mode }) => mode)).toEqual(['INCREMENTAL'])
    expect(run.pages.flat()).toEqual(crawl.api.itemIds().slice(0, count))
    expect(pagesServed(crawl.api, asked).length).toBeLessThanOrEqual(Math.ceil(count / pageSize) + 1)
    await crawl.expectWhole()
  }
  await crawlAgain(0)
  crawl.api.remove(first)
  crawl.api.remove(third)
  await crawlAgain(3)
  // The anchors straddle the pages' edge.
  await crawlAgain(pageSize - 1)
  await crawlAgain(pageSize)
  crawl.api.remove(crawl.api.itemIds()[0] ?? '')
  await crawlAgain(2 * pageSize + 5)
  await crawlAgain(0)
  await expectTruthfulSessions(server, crawl.userId, crawl.runs)
})

test('goes down to the end where no two neighbours of the anchors are left, and knows its way again after', async () => {
  for (const isLeft of [() => false, (place: number) => place % 2 === 0]) {
    await using crawl = await Crawl.begin()
    await crawl.runToEnd()
    const anchors = crawl.api.itemIds().slice(0, pageSize)
    for (const [place, itemId] of anchors.entries()) if (!isLeft(place)) crawl.api.remove(itemId)
    crawl.api.add('1500000000000000001')
    const asked = crawl.api.requests.length
    const run = await crawl.runToEnd()
    expect(run.sessions.map(({ mode }) => mode)).toEqual(['INCREMENTAL'])
    expect(run.pages).toEqual([['1500000000000000001']])
    const listed = crawl.api.itemIds()
    // The last page twice: lists end early at times.
    expect(pagesServed(crawl.api, asked)).toHaveLength(Math.ceil(listed.length / pageSize) + 1)
    await crawl.expectWhole()
    await expectTruthfulSessions(server, crawl.userId, crawl.runs)
    const plan = `query ($userId: String!) { resumePlan(userId: $userId) { mode untilItemIds } }`
    expect(await server.query(plan, { userId: crawl.userId })).toEqual({
      resumePlan: { mode: 'INCREMENTAL', untilItemIds: listed.slice(0, pageSize) },
    })
    await crawl.runToEnd()
    expect(pagesServed(crawl.api, asked)).toHaveLength(Math.ceil(listed.length / pageSize) + 2)
  }
})

test('does not take an old item that was bookmarked anew for an anchor', async () => {
  await using crawl = await Crawl.begin()
  await crawl.runToEnd()
  const [first = ''] = crawl.api.itemIds()
  crawl.api.add('1500000000000000001')
  crawl.api.remove(first)
  crawl.api.add(first)
  const run = await crawl.runToEnd()
  expect(run.pages).toEqual([['1500000000000000001']])
})

test('goes down from the top where X refuses the token, and skips nothing where the last item is gone too', async () => {
  const save = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`
  for (const isGone of [false, true]) {
    await using crawl = await Crawl.begin()
    const first = crawl.run()
    await first.processing(3)
    first.stop()
    expect(await first.ended).toBe(0)
    const { lastItemId: itemId } = (await readCheckpoint(server, crawl.userId)) ?? expect.fail('nothing was saved')
    await server.query(save, { input: { userId: crawl.userId, itemId, pageToken: 'too old' } })
    if (isGone) crawl.api.remove(itemId)
    const asked = crawl.api.requests.length
    const second = await crawl.runToEnd()
    expect(second.sessions.map(({ mode }) => mode)).toEqual(['RESUME', 'INCREMENTAL'])
    const processed = new Set(first.pages.flat())
    expect(second.pages.flat()).toEqual(crawl.api.itemIds().filter((id) => !processed.has(id)))
    await crawl.expectWhole()
    // Down to the end in vain, then down again, the last page twice each time; and the top, for the incremental crawl.
    const pages = Math.ceil(crawl.api.itemIds().length / pageSize)
    expect(pagesServed(crawl.api, asked)).toHaveLength((isGone ? 2 : 1) * (pages + 1) + 1)
  }
})

test('waits for a living crawler, and stops without a word where it is told to', async () => {
  await using crawl = await Crawl.begin()
  crawl.api.setRateLimit(5, 900)
  const first = crawl.run()
  await first.processing(5)
  const second = crawl.run()
  await second.opening()
  second.stop()
  expect(await second.ended, second.errors).toBe(0)
  expect(await readSessions(server, crawl.userId)).toMatchObject([{ sessionId: first.sessions[0]?.sessionId }])
  first.stop()
  expect(await first.ended).toBe(0)
})

test('ends nothing when another session has taken the list', async () => {
  await using crawl = await Crawl.begin()
  const first = crawl.run()
  await first.processing(2)
  const takeOver = `mutation ($input: StartSessionInput!) { startSession(input: $input) {
    ... on StartSessionSuccess { session { sessionId } } } }`
  const { startSession } = await server.query<{ startSession: { session: { sessionId: string } } }>(takeOver, {
    input: { userId: crawl.userId, takeover: true },
  })
  expect(await first.ended).toBe(1)
  expect(first.errors).toContain('LostError')
  expect(await readSessions(server, crawl.userId)).toMatchObject([
    { sessionId: startSession.session.sessionId, status: 'RUNNING' },
    { sessionId: first.sessions[0]?.sessionId, status: 'FAILED', endReason: 'TAKEN_OVER' },
  ])
})

test('stops when an operator asks for it', async () => {
  await using crawl = await Crawl.begin()
  const run = crawl.run()
  await run.processing(2)
  const [session] = run.sessions
  const requestStop = `mutation ($input: RequestStopInput!) { requestStop(input: $input) { __typename } }`
  await server.query(requestStop, { input: { sessionId: session?.sessionId } })
  expect(await run.ended).toBe(0)
  expect(await readSessions(server, crawl.userId)).toMatchObject([{ status: 'STOPPED', endReason: 'REPORTED' }])
  await crawl.runToEnd()
  await crawl.expectWhole()
})

test('leaves a session that fails as expired by itself within its lease and 2 s, when it was killed', async () => {
  await using crawl = await Crawl.begin()
  const run = await crawl.runUntilKilled(2)
  await expectTruthfulSessions(server, crawl.userId, [run])
  const [session] = await readSessions(server, crawl.userId)
  const livedMs = Date.parse(session?.completedAt ?? '') - Date.parse(session?.heartbeatAt ?? '')
  expect(livedMs).toBeGreaterThanOrEqual(leaseSeconds * 1000)
  expect(livedMs).toBeLessThanOrEqual((leaseSeconds + 2) * 1000)
})

test('begins again once an operator has cleared the checkpoint', async () => {
  await using crawl = await Crawl.begin()
  const first = await crawl.runToEnd()
  const clear = `mutation ($input: ClearCheckpointInput!) {
    clearCheckpoint(input: $input) { ... on ClearCheckpointSuccess { cleared } } }`
  expect(await server.query(clear, { input: { userId: crawl.userId } })).toEqual({ clearCheckpoint: { cleared: true } })
  const second = await crawl.runToEnd()
  expect(second.pages).toEqual(first.pages)
  await crawl.expectWhole()
})

test('reports while X makes it wait, stops when it is told to, and carries on where it stopped', async () => {
  await using crawl = await Crawl.begin()
  crawl.api.setRateLimit(5, 900)
  const first = crawl.run()
  await expect
    .poll(() => readSessions(server, crawl.userId), { timeout: 10_000 })
    .toMatchObject([
      { status: 'RUNNING', bookmarksProcessed: 5 * pageSize, rateLimitedUntil: expect.any(String) as string },
    ])
  first.stop()
  expect(await first.ended).toBe(0)
  expect(await readSessions(server, crawl.userId)).toMatchObject([
    {
      sessionId: first.sessions[0]?.sessionId,
      status: 'STOPPED',
      bookmarksProcessed: 5 * pageSize,
      errorMessage: null,
    },
  ])
  crawl.api.setRateLimit(1000, 900)
  const second = await crawl.runToEnd()
  expect(second.pages.flat()).toEqual(crawl.api.itemIds().slice(5 * pageSize))
  expect(second.sessions.map(({ mode }) => mode)).toEqual(['RESUME', 'INCREMENTAL'])
  await crawl.expectWhole()
})

test('fails its session with the reason when X refuses its token', async () => {
  await using crawl = await Crawl.begin()
  const run = crawl.run('revoked')
  expect(await run.ended).toBe(1)
  expect(run.errors).toContain('X answered 401')
  expect(await readSessions(server, crawl.userId)).toMatchObject([
    { sessionId: run.sessions[0]?.sessionId, status: 'FAILED', errorMessage: 'Error: X answered 401 Unauthorized' },
  ])
  expect(await readCheckpoint(server, crawl.userId)).toBeNull()
})
