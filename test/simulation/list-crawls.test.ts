import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countBeforeAnchor } from '../../examples/follow-plan.ts'
import { rounds, tell } from '../faults/rounds.ts'
import { seededRandom, type SeededRandom } from '../support/crawl-random.ts'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { type Ask, ListCrawler } from './list-crawls.ts'
import { type Hazards, SimulatedList } from './simulated-list.ts'

const CRAWLS = Number(process.env['LIST_CRAWLS'] ?? rounds(20_000, 60))
const SEED = Number(process.env['LIST_SEED'] ?? 20_261_130)
/** Each list is crawled this often. */
const CRAWLS_EACH = 10
const MOST_TOGETHER = 8
const QUIET: Hazards = {
  ...{ pageSize: 20, window: undefined, hasPins: false, hasEmptyPages: false, hasFalseEnds: false },
  ...{ refusesTokens: false, hasOffsets: false, hasRemovals: true, hasReturns: false },
}

let waymark: TestWaymark
let ask: Ask
const agent = new Agent({ keepAlive: true })
beforeAll(async () => {
  waymark = await startWaymark()
  ask = async (query, variables) => {
    for (;;) {
      const body = await post(waymark.url, JSON.stringify({ query, variables }))
      const { data, errors } = JSON.parse(body) as {
        data?: Awaited<ReturnType<Ask>>
        errors?: { extensions: { code: string } }[]
      }
      // On a busy machine. The driver's operations may all be sent again, also one that has taken effect.
      const code = errors?.[0]?.extensions.code
      if (code === 'OVERLOADED' || code === 'SERVICE_UNAVAILABLE') await delay(50)
      else if (data) return data
      else throw new Error(body)
    }
  }
})
afterAll(async () => {
  agent.destroy()
  await waymark[Symbol.asyncDispose]()
})

/** fetch() takes more of the processor than the server does. */
function post(url: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const sent = request(url, { agent, method: 'POST', headers }, (reply) => {
      text(reply).then(resolve, reject)
    })
    sent.on('error', reject).end(body)
  })
}

async function register(userId: string): Promise<void> {
  await ask('mutation ($u: String!) { result: registerUser(input: { userId: $u }) { __typename } }', { u: userId })
}

/** Crawls lists with hazards of their own, each `CRAWLS_EACH` times, until so many crawls have completed. */
async function crawlLists(name: string, crawls: number, hazardsOf: (random: SeededRandom) => Hazards) {
  const total = { crawls: 0, fullPasses: 0, catchUps: 0, kills: 0, loops: 0, missed: [] as string[] }
  let lists = 0
  const crawlOne = async () => {
    while (total.crawls < crawls) {
      lists += 1
      const random = seededRandom(SEED + lists)
      const list = new SimulatedList(random, hazardsOf(random), random.below(40) + 1)
      const crawler = new ListCrawler(ask, `${name}-${lists}`, list, random)
      await register(`${name}-${lists}`)
      while (crawler.report.crawls < CRAWLS_EACH) {
        for (let change = random.below(6); change > 0; change -= 1) list.change()
        await crawler.run()
      }
      const { missed, ...counts } = crawler.report
      total.missed.push(...missed)
      for (const [what, count] of Object.entries(counts)) total[what as keyof typeof counts] += count
    }
  }
  const together = Math.min(MOST_TOGETHER, Math.ceil(crawls / CRAWLS_EACH))
  await Promise.all(Array.from({ length: together }, crawlOne))
  tell(`${name}: ${JSON.stringify({ ...total, missed: total.missed.length, lists })}`)
  return total
}

const any = (random: SeededRandom): Hazards => ({
  pageSize: [1, 2, 3, 5, 20][random.below(5)] ?? 20,
  window: random.below(4) === 0 ? 10 : undefined,
  hasPins: random.below(2) === 0,
  hasEmptyPages: random.below(2) === 0,
  hasFalseEnds: random.below(2) === 0,
  refusesTokens: random.below(2) === 0,
  hasOffsets: false,
  hasRemovals: true,
  hasReturns: random.below(3) === 0,
})

describe(`${CRAWLS} crawls that are killed at random, of lists that change, by the crawler of the examples`, () => {
  it(
    'miss no item that was there throughout, and a full pass none that came back below',
    { timeout: 3_600_000 },
    async () => {
      const { missed, kills, fullPasses, catchUps, loops } = await crawlLists('list', CRAWLS, any)
      expect(missed).toEqual([])
      // They say something only if all of that happened.
      expect(kills).toBeGreaterThan(CRAWLS / 2)
      expect(Math.min(fullPasses, catchUps)).toBeGreaterThan(CRAWLS / 50)
      if (CRAWLS >= 2_000) expect(loops).toBeGreaterThan(0)
    },
  )
})

describe('crawls of lists whose tokens are offsets', () => {
  // What comes on top makes pages overlap, which harms nobody.
  it('miss nothing where nothing is removed', { timeout: 3_600_000 }, async () => {
    const hazards = (random: SeededRandom) => ({
      ...any(random),
      ...{ hasOffsets: true, hasRemovals: false, hasReturns: false, window: undefined },
    })
    const { missed, kills } = await crawlLists('offset', Math.ceil(CRAWLS / 5), hazards)
    expect(missed).toEqual([])
    expect(kills).toBeGreaterThan(0)
  })

  // The hazard that docs/crawling.md names: the item that moves up into the place of the one removed is on no page.
  it('miss items where others are removed above the page', { timeout: 3_600_000 }, async () => {
    const hazards = () => ({ ...QUIET, hasOffsets: true, pageSize: 2 })
    const { missed } = await crawlLists('removed', Math.ceil(CRAWLS / 2), hazards)
    expect(missed.length).toBeGreaterThan(0)
  })
})

it(
  'crawls that are quiet fetch at most 1.1 times the pages down to the first known item',
  { timeout: 600_000 },
  async () => {
    const random = seededRandom(SEED)
    const list = new SimulatedList(random, QUIET, 200)
    const crawler = new ListCrawler(ask, 'quiet', list)
    await register('quiet')
    await crawler.run()
    let [fetched, needed] = [0, 0]
    for (let crawl = 0; crawl < rounds(200, 30); crawl += 1) {
      const added = random.below(60)
      for (let item = 0; item < added; item += 1) list.add()
      list.now += 1
      const before = list.fetched
      await crawler.run()
      fetched += list.fetched - before
      needed += Math.ceil((added + 1) / QUIET.pageSize)
    }
    tell(`quiet: ${fetched} pages, ${needed} needed`)
    expect(crawler.report).toMatchObject({ missed: [], kills: 0 })
    expect(fetched / needed).toBeLessThanOrEqual(1.1)
  },
)

describe('an anchor is met', () => {
  it.each([
    ['where three neighbours follow each other', ['n', 'a', 'b', 'c'], ['a', 'b', 'c', 'd'], 1],
    ['not where two do', ['n', 'a', 'b', 'x'], ['a', 'b', 'c', 'd'], undefined],
    [
      'not at a pinned item with one that was bookmarked anew',
      ['pin', 'h1', 'n', 'h2'],
      ['pin', 'h1', 'h2'],
      undefined,
    ],
    ['where both follow each other, if there are two', ['n', 'a', 'b'], ['a', 'b'], 1],
    ['not at one alone', ['n', 'a', 'b'], ['a'], undefined],
    ['not in another order', ['c', 'b', 'a'], ['a', 'b', 'c'], undefined],
  ])('%s', (_what, ids, until, expected) => {
    expect(countBeforeAnchor([], ids, until)).toBe(expected)
  })

  it('where it begins on the page above', () => {
    expect(countBeforeAnchor(['a', 'b'], ['c', 'd'], ['a', 'b', 'c'])).toBe(0)
    expect(countBeforeAnchor(['x', 'a'], ['b', 'c'], ['a', 'b', 'c'])).toBe(0)
    expect(countBeforeAnchor(['x', 'a'], ['b', 'x'], ['a', 'b', 'c'])).toBeUndefined()
  })
})
