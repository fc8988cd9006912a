import { RateLimited } from '../platform-signals.ts'
import type { Session } from '../session.ts'
import { sleep } from '../sleep.ts'
import type { CrawlEvent } from './events.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { CrawlOptions } from './options.ts'

const DAY_MS = 86_400_000
/** Clocks differ: what Waymark is told stays below its limit of a day by this. */
const CLOCK_MARGIN_MS = 60_000
const DEFAULT_MAX_WAIT_MS = 900_000
/** A platform may name a time that is over: then the waits grow, up to half a minute. */
const SHORTEST_WAIT_MS = 100
const LONGEST_SHORT_WAIT_MS = 30_000
/** How often a wait looks whether somebody asked the session to stop. */
const LOOK_MS = 1_000

/** A page, as the crawl needs it. */
export interface FetchedPage<Item> {
  readonly items: readonly Item[]
  readonly ids: readonly string[]
  readonly nextToken: string | null
}

/** The crawl ends with a pause of the list: the platform asks to wait for too long. */
export class LongWait extends Error {
  readonly until: Date

  constructor({ message, until }: RateLimited) {
    super(message)
    this.until = until
  }
}

/** Calls fetchPage and process of one session, and waits where the platform asks for it. */
export class PlatformCalls<Item> {
  /** Of the session: what its report says. */
  readonly counts = { pages: 0, items: 0, added: 0 }
  readonly #options: CrawlOptions<Item>
  readonly #session: Session
  readonly #keeper: LeaseKeeper
  readonly #emit: (event: CrawlEvent) => void
  #apiRequests = 0

  constructor(options: CrawlOptions<Item>, session: Session, keeper: LeaseKeeper, emit: (event: CrawlEvent) => void) {
    this.#options = options
    this.#session = session
    this.#keeper = keeper
    this.#emit = emit
  }

  mustStop(): boolean {
    return this.#session.stopRequested || this.#options.signal?.aborted === true
  }

  /** How often the platform was asked since the last call. */
  takeApiRequests(): number {
    const taken = this.#apiRequests
    this.#apiRequests = 0
    return taken
  }

  /** @returns undefined where the crawl was told to stop while it waited. @throws {LostError} also while it fetches */
  async fetchPage(pageToken: string | null): Promise<FetchedPage<Item> | undefined> {
    const { signal, plan, sessionId } = this.#session
    const page = await this.#patiently(() => {
      this.#apiRequests += 1
      return orLost(this.#session, this.#options.fetchPage({ pageToken, signal, mode: plan.mode }))
    })
    if (!page) return undefined
    // A computer may have slept meanwhile: another session may have the list by now.
    await this.#keeper.catchUp()
    const { items } = page
    const nextToken = page.nextToken || null
    this.counts.pages += 1
    this.#emit({ type: 'page', sessionId, items: items.length, pageToken, nextToken })
    return { items, ids: items.map((item) => this.#idOf(item)), nextToken }
  }

  /** @returns how many items were new; undefined where the crawl was told to stop while it waited */
  async process(items: Item[]): Promise<number | undefined> {
    const { sessionId, plan, signal } = this.#session
    const told = await this.#patiently(async () => ({
      added: (await this.#options.process(items, { sessionId, mode: plan.mode, signal })) ?? items.length,
    }))
    if (!told) return undefined
    if (this.#session.lost) throw this.#session.lost
    this.counts.items += items.length
    this.counts.added += told.added
    return told.added
  }

  async #patiently<Answer>(act: () => Promise<Answer>): Promise<Answer | undefined> {
    for (let hits = 1; ; hits += 1) {
      try {
        return await act()
      } catch (error) {
        if (this.#session.lost) throw this.#session.lost
        if (!(error instanceof RateLimited)) throw error
        await this.#wait(error, hits)
        if (this.mustStop()) return undefined
      }
    }
  }

  async #wait(limit: RateLimited, hits: number): Promise<void> {
    const waitMs = limit.until.getTime() - Date.now()
    if (waitMs > (this.#options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS) || waitMs > DAY_MS) throw new LongWait(limit)
    const shortestMs = Math.min(SHORTEST_WAIT_MS * 2 ** (hits - 1), LONGEST_SHORT_WAIT_MS)
    const until = Date.now() + Math.max(waitMs, shortestMs)
    await this.#keeper.reportRateLimit(() => new Date(Math.min(until, Date.now() + DAY_MS - CLOCK_MARGIN_MS)))
    try {
      this.#emit({ type: 'waiting', reason: 'RATE_LIMITED', until: new Date(until) })
      while (Date.now() < until && !this.mustStop()) {
        await orLost(this.#session, sleep(Math.min(until - Date.now(), LOOK_MS), this.#options.signal))
      }
    } finally {
      this.#keeper.release()
    }
  }

  #idOf(item: Item): string {
    const id: unknown = this.#options.id(item)
    if (typeof id === 'string') return id
    throw new TypeError('id() must return a string: a number cannot hold an ID of 64 bits')
  }
}

/** @throws {LostError} as soon as the session is lost, whatever becomes of the promise */
async function orLost<Value>({ signal }: Session, value: Value | Promise<Value>): Promise<Value> {
  let fail: (() => void) | undefined
  const lost = new Promise<never>((_, reject) => {
    fail = () => reject(signal.reason as Error)
    signal.addEventListener('abort', fail, { once: true })
  })
  try {
    signal.throwIfAborted()
    return await Promise.race([value, lost])
  } finally {
    if (fail) signal.removeEventListener('abort', fail)
  }
}
