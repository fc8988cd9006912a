import { randomUUID } from 'node:crypto'
import { type Asked, BreakingProxy } from '../clients/conformance/breaking-proxy.ts'
import type { Driver, DriverLine } from '../clients/conformance/driver.ts'
import type { Break, JsonObject } from '../clients/conformance/script.ts'
import type { SeededRandom } from '../support/crawl-random.ts'
import { type Begun, ListLedger } from './list-ledger.ts'
import type { SimulatedList } from './simulated-list.ts'

/** What a dead crawler would have got for an answer. No client repeats a request after it. */
const DEAD: Break = { code: 'KILLED' }
/** A healthy request fails so once in a while, and is sent again. */
const HICCUPS: readonly Break[] = [
  { fails: 'lost' },
  { fails: 'refused' },
  { status: 503 },
  { status: 504, after: true },
]

export interface ClientCrawlerOptions {
  readonly url: string
  readonly userId: string
  readonly list: SimulatedList
  readonly random: SeededRandom
  /** The process that crawls next. */
  readonly driver: () => Driver
  /** kill -9 of the process. Undefined: the crawl is abandoned, so that nothing of it reaches Waymark any more. */
  readonly kill?: (driver: Driver) => Promise<void>
  /** Whether the mode is always AUTO, the list never changes while it is crawled, and its tokens never go round. */
  readonly isQuiet?: boolean
}

/** One list, as crawl() of the clients goes through it: abandoned at random, and started again. */
export class ClientCrawler {
  readonly report = { kills: 0, loops: 0, hiccups: 0, mostRepeats: 0 }
  readonly ledger: ListLedger
  /** What is saved, and so counted. */
  readonly counted = new Set<string>()
  readonly #options: ClientCrawlerOptions
  /** By session: what was processed and is not saved yet. */
  readonly #unsaved = new Map<string, string[]>()
  /** What saves have counted, by session and key, so that a repeat is no second save. */
  readonly #saves = new Set<string>()
  /** Of sessions that run: the modes of their plans. */
  readonly #sessions = new Map<string, string>()
  /** What the unfinished crawl has processed, and how often it was killed. */
  #crawl = { processed: new Set<string>(), repeats: 0, kills: 0 }
  #isLooped = false

  constructor(options: ClientCrawlerOptions) {
    this.#options = options
    this.ledger = new ListLedger(options.userId, options.list)
  }

  /** One call of crawl(), to its end or its death. */
  async run(): Promise<void> {
    const { random, list, url, userId, isQuiet = false } = this.#options
    const draw = random.below(100)
    const mode = isQuiet ? 'AUTO' : this.#isLooped || draw < 4 ? 'FULL' : draw < 20 ? 'CATCH_UP' : 'AUTO'
    this.#isLooped = false
    list.loops = !isQuiet && random.below(150) === 0
    const run = new Run(this.#options, random.below(3) === 0 ? Infinity : random.below(25), this)
    await using proxy = await BreakingProxy.start(url, run)
    const end = await run.crawl({
      ...{ url: proxy.url, key: 'a-key', retryBudgetMs: 60_000, timeoutMs: 30_000 },
      options: { userId, mode, busy: 'takeover' },
    })
    if (run.isDead) {
      this.report.kills += 1
      this.#crawl.kills += 1
    } else if (end.error) this.#endBadly(end.error, mode)
  }

  #endBadly(error: JsonObject, mode: string): void {
    const { code, message, name } = error as Record<string, string>
    if (code === 'LOOP') {
      this.report.loops += 1
      this.#isLooped = true
      // What began stays unfinished, and a platform may refuse its tokens for a day.
    } else if (!(code === 'CATCH_UP_IMPOSSIBLE' && mode === 'CATCH_UP') && !name?.startsWith('PageTokenRefused')) {
      throw new Error(`${this.#options.userId}: ${code} ${name} ${message}`)
    }
  }

  /** @returns how many of them were not counted before */
  process(sessionId: string, ids: readonly string[]): number {
    for (const id of ids) {
      this.ledger.processed.add(id)
      if (this.#crawl.processed.has(id)) this.#crawl.repeats += 1
      this.#crawl.processed.add(id)
    }
    this.#unsaved.set(sessionId, [...(this.#unsaved.get(sessionId) ?? []), ...ids])
    return ids.filter((id) => !this.counted.has(id)).length
  }

  /** Waymark has answered, whether or not the client hears of it. */
  answered({ field, input, result }: Asked): void {
    const sessionId = input['sessionId'] as string
    if (field === 'startSession' && result?.__typename === 'StartSessionSuccess') {
      const { session, plan } = result as { session?: { sessionId: string }; plan?: Begun }
      if (!session || !plan) throw new Error(`a start without its session: ${JSON.stringify(result)}`)
      // A repeat after a lost answer.
      if (this.#sessions.has(session.sessionId)) return
      this.#sessions.set(session.sessionId, plan.mode)
      this.ledger.begin(plan, input['mode'] === 'FULL')
    } else if (field === 'saveCheckpoint' && result?.__typename === 'SaveCheckpointSuccess') {
      const key = JSON.stringify([sessionId, input['idempotencyKey']])
      if (this.#saves.has(key)) return
      this.#saves.add(key)
      for (const id of this.#unsaved.get(sessionId) ?? []) this.counted.add(id)
      this.#unsaved.delete(sessionId)
    } else if (field === 'completeSession' && result?.__typename === 'EndSessionSuccess') {
      const mode = this.#sessions.get(sessionId)
      if (mode === undefined) return
      this.#sessions.delete(sessionId)
      this.ledger.finish(mode)
      if (mode === 'CATCH_UP') return
      const { repeats, kills } = this.#crawl
      this.report.mostRepeats = Math.max(this.report.mostRepeats, repeats - kills * this.#options.list.hazards.pageSize)
      this.#crawl = { processed: new Set(), repeats: 0, kills: 0 }
    }
  }
}

/** One call of crawl(), with as many steps to live. */
class Run {
  isDead = false
  readonly #options: ClientCrawlerOptions
  readonly #crawler: ClientCrawler
  readonly #crawl = randomUUID()
  readonly #driver: Driver
  #stepsToLive: number

  constructor(options: ClientCrawlerOptions, stepsToLive: number, crawler: ClientCrawler) {
    this.#options = options
    this.#stepsToLive = stepsToLive
    this.#crawler = crawler
    this.#driver = options.driver()
  }

  /** @returns how it ended; a crawl whose process was killed has neither report nor error */
  async crawl(call: JsonObject): Promise<{ readonly error?: JsonObject }> {
    try {
      return await new Promise((resolve, reject) => {
        this.#driver.listen(this.#crawl, (line) => {
          if (line === undefined && !this.isDead)
            reject(new Error(`the driver ended: ${this.#driver.output.slice(-2_000)}`))
          else if (line === undefined || line.report) resolve({})
          else if (line.error) resolve({ error: line.error })
          else this.#hear(line).catch(reject)
        })
        this.#driver.send({ do: 'crawl', crawl: this.#crawl, ...call })
      })
    } finally {
      this.#driver.forget(this.#crawl)
    }
  }

  async onAsked(): Promise<Break | undefined> {
    const { random } = this.#options
    if (await this.#dies()) return DEAD
    if (random.below(40) > 0) return undefined
    this.#crawler.report.hiccups += 1
    return HICCUPS[random.below(HICCUPS.length)]
  }

  async onAnswered(asked: Asked): Promise<Break | undefined> {
    this.#crawler.answered(asked)
    return (await this.#dies()) ? DEAD : undefined
  }

  async #hear({ call = 0, fetch, process }: DriverLine): Promise<void> {
    if (!fetch && !process) return
    if (await this.#dies()) this.#answer(call, { throw: { kind: 'error', message: 'killed' } })
    else if (fetch) this.#answer(call, this.#page(fetch.pageToken))
    else if (process) this.#answer(call, { added: this.#crawler.process(process.sessionId, process.items) })
  }

  /** What a crawler does whose platform ends lists early: it asks for the last page twice. */
  #page(pageToken: string | null): JsonObject {
    const { list, random, isQuiet = false } = this.#options
    if (!isQuiet && random.below(4) === 0) list.change()
    const first = list.fetchPage(pageToken)
    const page = !first.isTokenRefused && first.next === null ? list.fetchPage(pageToken) : first
    if (page.isTokenRefused) return { throw: { kind: 'pageTokenRefused' } }
    return { page: { items: page.ids, nextToken: page.next } }
  }

  #answer(call: number, answer: JsonObject): void {
    this.#driver.send({ do: 'answer', crawl: this.#crawl, call, ...answer })
  }

  async #dies(): Promise<boolean> {
    this.#stepsToLive -= 1
    if (this.isDead) return true
    if (this.#stepsToLive >= 0) return false
    this.isDead = true
    await this.#options.kill?.(this.#driver)
    return true
  }
}
