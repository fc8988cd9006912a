import { OrderViolationError, WaymarkError } from '../errors.ts'
import { PageTokenRefused } from '../platform-signals.ts'
import type { Session } from '../session.ts'
import { Anchors } from './anchors.ts'
import type { CrawlEvent } from './events.ts'
import type { FetchedPage, PlatformCalls } from './platform-calls.ts'

/** What Waymark keeps at most, bytes. */
const LONGEST_TOKEN = 8_192
const LONGEST_HEAD = 50
/** An anchor needs three. */
const HEAD_ENOUGH = 3

/** One way down the list, from the top or from a kept token. */
interface Pass {
  token: string | null
  /** Pages are skipped down to this item. Null: nothing is skipped. */
  skipTo: string | null
  readonly anchors: Anchors
  /** The tokens that this pass has met. */
  readonly tokens: Set<string>
  /** Whether it began at a token that an earlier session kept, and has seen no item since. */
  isBlindSinceToken: boolean
}

/** Goes down one list by the plan of one session: processes a page, then saves it. */
export class ListWalk<Item> {
  readonly #session: Session
  readonly #calls: PlatformCalls<Item>
  readonly #emit: (event: CrawlEvent) => void
  readonly #seen = new Set<string>()
  readonly #head = new Set<string>()
  #pass: Pass
  /** The last item that was processed, by this session or before it. */
  #last: string | null
  #hasRefusal = false
  /** Whether an ASCENDING list is read again from below the stored item. */
  #isBelowStored = false

  constructor(session: Session, calls: PlatformCalls<Item>, emit: (event: CrawlEvent) => void) {
    this.#session = session
    this.#calls = calls
    this.#emit = emit
    const { pageToken, afterItemId } = session.plan
    this.#last = afterItemId
    this.#pass = this.#newPass(pageToken, pageToken === null ? afterItemId : null)
  }

  /** @returns completed: at an anchor or at the end of the list */
  async run(): Promise<'completed' | 'stopped'> {
    while (!this.#calls.mustStop()) {
      const page = await this.#fetch()
      if (!page) continue
      const isDone = await this.#take(page)
      if (isDone && !this.#calls.mustStop()) return 'completed'
    }
    this.#emit({ type: 'stopRequested', sessionId: this.#session.sessionId })
    return 'stopped'
  }

  #newPass(token: string | null, skipTo: string | null): Pass {
    const { untilItemIds, afterItemId } = this.#session.plan
    return {
      ...{ token, skipTo },
      // A kept token leads to the page right below the last item.
      anchors: new Anchors(untilItemIds, token === null ? null : afterItemId),
      tokens: new Set(token === null ? [] : [token]),
      isBlindSinceToken: token !== null,
    }
  }

  #restart(reason: Extract<CrawlEvent, { type: 'restartedFromTop' }>['reason'], skipTo: string | null): void {
    this.#emit({ type: 'restartedFromTop', sessionId: this.#session.sessionId, reason })
    this.#pass = this.#newPass(null, skipTo)
  }

  async #fetch(): Promise<FetchedPage<Item> | undefined> {
    const { token } = this.#pass
    try {
      return await this.#calls.fetchPage(token)
    } catch (error) {
      if (!(error instanceof PageTokenRefused) || token === null || this.#hasRefusal) throw error
      this.#hasRefusal = true
      this.#restart('TOKEN_REFUSED', this.#last)
      return undefined
    }
  }

  /** @returns whether the crawl is at its end */
  async #take(page: FetchedPage<Item>): Promise<boolean> {
    const pass = this.#pass
    const { ids, nextToken } = page
    const above = pass.anchors.countAbove(ids)
    const isEnd = above !== undefined || nextToken === null
    if (ids.length > 0) pass.isBlindSinceToken = false
    if (isEnd && pass.isBlindSinceToken) {
      this.#restart('EMPTY_END', this.#last)
      return false
    }
    let from = 0
    if (pass.skipTo !== null) {
      from = ids.indexOf(pass.skipTo) + 1
      if (from === 0) {
        await this.#skip(page, isEnd)
        return false
      }
      pass.skipTo = null
    }
    const upTo = Math.max(above ?? ids.length, from)
    const goesRound = !isEnd && this.#goesRound(nextToken)
    await this.#processAndSave(page, { from, upTo, isEnd, goesRound })
    if (goesRound) throw loop()
    pass.token = nextToken
    return isEnd
  }

  /** Goes on down to the last processed item. If it is not there, it was removed, and nothing may be skipped. */
  async #skip({ nextToken }: FetchedPage<Item>, isEnd: boolean): Promise<void> {
    if (isEnd) {
      this.#isBelowStored = this.#session.isAscending
      this.#restart('LAST_ITEM_REMOVED', null)
    } else if (this.#goesRound(nextToken)) throw loop()
    else this.#pass.token = nextToken
    await this.#beat()
  }

  /** Notes the token. @returns whether this pass has met it before */
  #goesRound(token: string | null): boolean {
    if (token === null) return false
    const { tokens } = this.#pass
    if (tokens.has(token)) return true
    tokens.add(token)
    return false
  }

  async #processAndSave(page: FetchedPage<Item>, { from, upTo, isEnd, goesRound }: Extent): Promise<void> {
    const { items, ids, nextToken } = page
    const fresh = items.slice(from, upTo).filter((_, at) => this.#isFresh(ids[from + at] ?? ''))
    const added = fresh.length > 0 ? await this.#calls.process(fresh) : 0
    // Told to stop before the page was processed: the next session begins with it.
    if (added === undefined) return
    const itemId = ids.slice(from, upTo).at(-1) ?? null
    const mayKeep = !isEnd && !goesRound && !this.#pass.anchors.mayHaveBegun && isKeepable(nextToken)
    const pageToken = mayKeep ? nextToken : null
    if (itemId !== null) {
      const headItemIds = this.#headOf(ids)
      this.#last = itemId
      await this.#save({ itemId, pageToken, headItemIds, added })
    } else if (isEnd) return
    // A page of known items moves the token, and so does one without items.
    else if (pageToken !== null)
      await this.#save({ itemId: ids.length > 0 ? this.#last : null, pageToken, headItemIds: null, added })
    else await this.#beat()
  }

  /** Notes the item. @returns whether this session sees it for the first time */
  #isFresh(id: string): boolean {
    if (this.#seen.has(id)) return false
    this.#seen.add(id)
    return true
  }

  /** The first page that has items, and the pages after it until there are three. Only the session that begins a crawl has one. */
  #headOf(ids: readonly string[]): readonly string[] | null {
    if (this.#session.plan.afterItemId !== null || this.#head.size >= HEAD_ENOUGH) return null
    for (const id of ids) this.#head.add(id)
    return ids.slice(0, LONGEST_HEAD)
  }

  async #save({ itemId, pageToken, headItemIds, added }: PageSave): Promise<void> {
    const { sessionId } = this.#session
    const metrics = { apiRequests: this.#calls.takeApiRequests() }
    try {
      const save = { itemId, pageToken, headItemIds, bookmarksAdded: added, metrics }
      const { stallReason } = await this.#session.save(save)
      this.#emit({ type: 'saved', sessionId, itemId, pageToken, added })
      if (stallReason === 'LOOP') throw loop()
    } catch (error) {
      if (!(error instanceof OrderViolationError && this.#isBelowStored)) throw error
      await this.#beat()
    }
  }

  /** A sign of life where nothing is saved. */
  async #beat(): Promise<void> {
    await this.#session.heartbeat({ metrics: { apiRequests: this.#calls.takeApiRequests() } })
  }
}

/** Which items of a page are processed, and how the list goes on after them. */
interface Extent {
  readonly from: number
  readonly upTo: number
  readonly isEnd: boolean
  readonly goesRound: boolean
}

interface PageSave {
  readonly itemId: string | null
  readonly pageToken: string | null
  readonly headItemIds: readonly string[] | null
  readonly added: number
}

function isKeepable(token: string | null): boolean {
  return token !== null && new TextEncoder().encode(token).length <= LONGEST_TOKEN
}

function loop(): WaymarkError {
  return new WaymarkError('LOOP: the page tokens of the list go round. Start the next crawl with the mode FULL.', {
    code: 'LOOP',
  })
}
