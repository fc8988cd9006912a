import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  expectFewRepeats,
  expectTruthfulSessions,
  expectWholeList,
  readCheckpoint,
  readSessions,
} from '../support/crawl-ledger.ts'
import { seededRandom } from '../support/crawl-random.ts'
import type { SeededRandom } from '../support/crawl-random.ts'
import { compileCrawler, CrawlRun } from '../support/crawl-run.ts'
import { CrawlServer } from '../support/crawl-server.ts'
import { startXApi } from '../support/x-api.ts'
import type { XApi } from '../support/x-api.ts'

type Victim = 'crawler' | 'server' | 'postgres'

const victims: readonly Victim[] = [
  ...Array<Victim>(8).fill('crawler'),
  ...Array<Victim>(6).fill('server'),
  ...Array<Victim>(6).fill('postgres'),
]
const pageSize = 10
/** Printed with the title. CRAWL_SEED=<that number> makes the same choices again; the machine's timing remains its own. */
const seed = Number(process.env['CRAWL_SEED'] ?? randomInt(2 ** 31))

let folder: string
let script: string
let server: CrawlServer
let users = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-crawler-'))
  script = await compileCrawler(folder)
  server = await CrawlServer.start()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** One user's list and the crawler processes that went through it. */
class Crawl implements AsyncDisposable {
  readonly runs: CrawlRun[] = []
  readonly output: string

  private constructor(
    readonly userId: string,
    readonly api: XApi,
  ) {
    this.output = join(folder, `${userId}.txt`)
  }

  static async begin(): Promise<Crawl> {
    users += 1
    const userId = `22449945${users}`
    const register = 'mutation ($input: RegisterUserInput!) { registerUser(input: $input) { __typename } }'
    expect(await server.query(register, { input: { userId } })).toEqual({
      registerUser: { __typename: 'RegisterUserSuccess' },
    })
    return new Crawl(userId, await startXApi({ userId, delayMs: 3 }))
  }

  run(token = this.api.token): CrawlRun {
    const run = new CrawlRun({
      script,
      env: { WAYMARK_URL: server.url, X_API_URL: this.api.url, X_TOKEN: token },
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

test(`processes every bookmark, at most a page twice per kill, through twenty kills (CRAWL_SEED=${seed})`, async () => {
  const random = seededRandom(seed)
  const kills = random.shuffled(victims)
  while (kills.length > 0) {
    await using crawl = await Crawl.begin()
    // Now and then the crawler must wait, a second at most, and a kill may find it waiting.
    crawl.api.setRateLimit(60, 1)
    await killOnTheWay(crawl, kills, random)
    await crawl.expectWhole()
    expectFewRepeats(crawl.runs, pageSize)
    await expectTruthfulSessions(server, crawl.userId, crawl.runs)
  }
  // A dead database is SERVICE_UNAVAILABLE, never a bug.
  expect(server.log).not.toContain('INTERNAL_SERVER_ERROR')
}, 180_000)

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

test('skips nothing when the last processed bookmark was removed and others came on top meanwhile', async () => {
  await using crawl = await Crawl.begin()
  const first = crawl.run()
  await first.processing(5)
  await first.kill()
  const { lastItemId } = (await readCheckpoint(server, crawl.userId)) ?? expect.fail('nothing was saved')
  crawl.api.remove(lastItemId)
  crawl.api.add('1500000000000000001')
  crawl.api.add('1500000000000000002')
  await crawl.runToEnd()
  await crawl.expectWhole()
  expectFewRepeats(crawl.runs, pageSize)
})

test('processes only what is new when a finished list is crawled again', async () => {
  await using crawl = await Crawl.begin()
  await crawl.runToEnd()
  crawl.api.add('1500000000000000001')
  const second = await crawl.runToEnd()
  expect(second.pages).toEqual([['1500000000000000001']])
  await crawl.expectWhole()
  await expectTruthfulSessions(server, crawl.userId, crawl.runs)
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
  // Only a heartbeat carries the session's count so far.
  await expect
    .poll(() => readSessions(server, crawl.userId), { timeout: 10_000 })
    .toMatchObject([{ status: 'RUNNING', bookmarksProcessed: 5 * pageSize }])
  first.stop()
  expect(await first.ended).toBe(0)
  expect(await readSessions(server, crawl.userId)).toMatchObject([
    { sessionId: first.sessionId, status: 'STOPPED', bookmarksProcessed: 5 * pageSize, errorMessage: null },
  ])
  crawl.api.setRateLimit(1000, 900)
  const second = await crawl.runToEnd()
  expect(second.pages.flat()).toEqual(crawl.api.itemIds().slice(5 * pageSize))
  await crawl.expectWhole()
})

test('fails its session with the reason when X refuses its token', async () => {
  await using crawl = await Crawl.begin()
  const run = crawl.run('revoked')
  expect(await run.ended).toBe(1)
  expect(run.errors).toContain('X answered 401')
  expect(await readSessions(server, crawl.userId)).toMatchObject([
    { sessionId: run.sessionId, status: 'FAILED', errorMessage: 'Error: X answered 401 Unauthorized' },
  ])
  expect(await readCheckpoint(server, crawl.userId)).toBeNull()
})
