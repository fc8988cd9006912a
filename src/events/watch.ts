import { setImmediate as nextTurn } from 'node:timers/promises'
import { Fault } from '../errors/fault.ts'
import { cursorExpired } from './cursor.ts'
import type { Feed } from './feed.ts'
import type { FeedEvent } from './outbox.ts'

/** Events a subscriber takes from the feed at once: what it costs in memory while its client reads nothing. */
const PAGE_SIZE = 100
const RETRY_MS = 1_000

/**
 * The events after a place in the log, in its order, for as long as somebody reads them: each is handed out when it is asked for.
 * A class: an async generator would keep its source open until the next event after its client has gone, and a Repeater costs a
 * chain of promises for each event, which is garbage that only a full collection finds.
 */
export class FeedWatch<Selected> implements AsyncIterableIterator<Selected> {
  readonly #feed: Feed
  readonly #generation: string
  readonly #select: (event: FeedEvent) => Selected | undefined
  #position: bigint
  #page: readonly FeedEvent[] = []
  #place = 0
  #isOver = false
  #wake = () => {}
  #unsubscribe: (() => void) | undefined

  /**
   * @param after the place; its event is not told again
   * @param select what the subscriber wants of an event; undefined: nothing
   */
  constructor(feed: Feed, after: bigint, select: (event: FeedEvent) => Selected | undefined) {
    this.#feed = feed
    // Now, not when the first event is asked for: the place is of this generation.
    this.#generation = feed.generation
    this.#position = after
    this.#select = select
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * Resolves with the next event, once there is one; done when the feed is closed, or after return(). To be called again once it has.
   * @throws Fault CURSOR_EXPIRED where the reader was slower than the retention of the feed, or the feed began anew
   */
  async next(): Promise<IteratorResult<Selected>> {
    this.#unsubscribe ??= this.#feed.onMove(() => this.#wake())
    try {
      while (!this.#isOver && !this.#feed.closed) {
        if (this.#feed.generation !== this.#generation) {
          throw cursorExpired('the feed began anew (a restored database); list again')
        }
        const event = this.#page[this.#place]
        if (!event) {
          await this.#turnPage()
          continue
        }
        this.#place += 1
        this.#position = event.eventId
        const selected = this.#select(event)
        if (selected !== undefined) return { done: false, value: selected }
      }
    } catch (error) {
      this.#leave()
      throw error
    }
    return this.return()
  }

  return(): Promise<IteratorResult<Selected>> {
    this.#leave()
    return Promise.resolve({ done: true, value: undefined })
  }

  #leave(): void {
    this.#isOver = true
    this.#page = []
    this.#unsubscribe?.()
    this.#unsubscribe = () => {}
    this.#wake()
  }

  /** Reads on; where there is nothing yet, waits for it. */
  async #turnPage(): Promise<void> {
    // A thousand subscribers whose filter matches nothing of a burst must not keep everybody else waiting meanwhile.
    if (this.#page.length === PAGE_SIZE) await nextTurn()
    const woken = new Promise<void>((resolve) => (this.#wake = resolve))
    let retry: NodeJS.Timeout | undefined
    this.#place = 0
    this.#page = []
    try {
      this.#page = await this.#feed.read(this.#position, PAGE_SIZE)
    } catch (error) {
      if (error instanceof Fault && error.code === 'CURSOR_EXPIRED') throw error
      // The feed's reader says in the log that the database is away.
      retry = setTimeout(() => this.#wake(), RETRY_MS)
    }
    if (this.#page.length === 0 && !this.#isOver) await woken
    clearTimeout(retry)
  }
}
