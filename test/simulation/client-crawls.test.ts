import { afterAll, beforeAll, expect, it } from 'vitest'
import { BuiltClient } from '../clients/conformance/built-client.ts'
import { type Client, Driver, PYTHONS, typescriptClient } from '../clients/conformance/driver.ts'
import { rounds, tell } from '../faults/rounds.ts'
import { seededRandom, type SeededRandom } from '../support/crawl-random.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { ClientCrawler, type ClientCrawlerOptions } from './client-crawler.ts'
import { type Hazards, SimulatedList } from './simulated-list.ts'

const LISTS = Number(process.env['CLIENT_LISTS'] ?? rounds(400, 9))
const SEED = Number(process.env['LIST_SEED'] ?? 20_261_130)
/** Each list is crawled to its end this often. */
const CRAWLS_EACH = rounds(6, 4)
const MOST_TOGETHER = 6

let waymark: TestWaymark
let built: BuiltClient
let clients: readonly Client[]
/** One of each client, which lives on. */
let drivers: readonly Driver[]
beforeAll(async () => {
  waymark = await startWaymark()
  built = await BuiltClient.build()
  clients = [typescriptClient(built.path), ...(PYTHONS ?? [])]
  drivers = clients.map((client) => new Driver(client))
})
afterAll(async () => {
  for (const driver of drivers) await driver[Symbol.asyncDispose]()
  await built[Symbol.asyncDispose]()
  await waymark[Symbol.asyncDispose]()
})

const QUIET: Hazards = {
  ...{ pageSize: 3, window: undefined, hasPins: false, hasEmptyPages: true, hasFalseEnds: false },
  ...{ refusesTokens: false, hasOffsets: false, hasRemovals: false, hasReturns: false },
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

interface Plan {
  readonly lists: number
  readonly hazardsOf: (random: SeededRandom) => Hazards
  readonly isQuiet?: boolean
  /** Of one list, by its number. */
  readonly crawlBy: (number: number, random: SeededRandom) => Pick<ClientCrawlerOptions, 'driver' | 'kill'>
}

/** Crawls so many lists, each `CRAWLS_EACH` times. */
async function crawlLists(name: string, { lists, hazardsOf, isQuiet = false, crawlBy }: Plan) {
  const total = { crawls: 0, fullPasses: 0, catchUps: 0, kills: 0, loops: 0, hiccups: 0, mostRepeats: 0 }
  const missed: string[] = []
  const miscounted: string[] = []
  let number = 0
  const crawlOne = async () => {
    while (number < lists) {
      number += 1
      const userId = `${name}-${number}`
      const random = seededRandom(SEED + number)
      const list = new SimulatedList(random, hazardsOf(random), random.below(30) + 1)
      const options = { url: waymark.url, userId, list, random, isQuiet, ...crawlBy(number, random) }
      const crawler = new ClientCrawler(options)
      await mutate(waymark, 'registerUser', { userId })
      while (crawler.ledger.report.crawls < CRAWLS_EACH) {
        for (let change = random.below(6); change > 0; change -= 1) {
          list.now += 1
          if (isQuiet) list.add()
          else list.change()
        }
        await crawler.run()
      }
      const query = 'query ($userId: String!) { checkpoint(userId: $userId) { bookmarksCount } }'
      const { checkpoint } = await waymark.ask(query, { userId })
      const { size } = crawler.counted
      if (checkpoint.bookmarksCount !== size) miscounted.push(`${userId}: ${checkpoint.bookmarksCount}, not ${size}`)
      const { missed: missedHere, ...counts } = crawler.ledger.report
      missed.push(...missedHere)
      for (const [what, count] of Object.entries({ ...counts, ...crawler.report })) {
        const key = what as keyof typeof total
        total[key] = key === 'mostRepeats' ? Math.max(total[key], count) : total[key] + count
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(MOST_TOGETHER, lists) }, crawlOne))
  tell(`${name}: ${JSON.stringify({ ...total, lists, missed: missed.length })}`)
  return { ...total, missed, miscounted }
}

/** A third of the lists by all clients in turn, so that one resumes what another began; the others by one client each. */
function crawlBy(number: number, random: SeededRandom) {
  const own = drivers[Math.floor(number / 3) % drivers.length]
  return {
    driver: () => {
      const driver = number % 3 === 0 ? drivers[random.below(drivers.length)] : own
      return driver ?? expect.fail('there is no driver')
    },
  }
}

const names = PYTHONS ? 'both clients' : 'the TypeScript client (this machine has no /usr/bin/python3)'

it(
  `crawls of ${LISTS} lists by ${names}, abandoned at random, miss no item and count none twice`,
  { timeout: 7_200_000 },
  async () => {
    const { missed, miscounted, kills, crawls, hiccups } = await crawlLists('any', {
      lists: LISTS,
      hazardsOf: any,
      crawlBy,
    })
    expect({ missed, miscounted }).toEqual({ missed: [], miscounted: [] })
    expect(crawls).toBeGreaterThanOrEqual(LISTS * CRAWLS_EACH)
    // It says something only if that happened.
    expect(kills).toBeGreaterThan(LISTS)
    expect(hiccups).toBeGreaterThan(0)
  },
)

it(
  `crawls of lists that only grow, by ${names}, abandoned at random, repeat at most one page a kill`,
  { timeout: 3_600_000 },
  async () => {
    const plan = { lists: Math.ceil(LISTS / 4), hazardsOf: () => QUIET, isQuiet: true, crawlBy }
    const { missed, miscounted, kills, mostRepeats } = await crawlLists('quiet', plan)
    expect({ missed, miscounted, mostRepeats }).toEqual({ missed: [], miscounted: [], mostRepeats: 0 })
    expect(kills).toBeGreaterThan(0)
  },
)

it(
  `crawls by processes that are killed at random (kill -9), of ${names} in turn, miss no item and count none twice`,
  { timeout: 3_600_000 },
  async () => {
    const spare = new Map<number, Driver>()
    const plan = {
      lists: rounds(20, 2),
      hazardsOf: any,
      crawlBy: (number: number, random: SeededRandom) => ({
        driver: () => {
          const living = spare.get(number)
          const driver =
            living && !living.isDead ? living : new Driver(clients[random.below(clients.length)] ?? expect.fail())
          spare.set(number, driver)
          return driver
        },
        kill: (driver: Driver) => driver.kill(),
      }),
    }
    try {
      const { missed, miscounted, kills } = await crawlLists('killed', plan)
      expect({ missed, miscounted }).toEqual({ missed: [], miscounted: [] })
      expect(kills).toBeGreaterThan(0)
    } finally {
      for (const driver of spare.values()) await driver[Symbol.asyncDispose]()
    }
  },
)
