import { setImmediate as nextTurn } from 'node:timers/promises'
import { Fault } from '../errors/fault.ts'
import { cursorExpired, NEW_GENERATION } from './cursor.ts'
import type { Feed } from './feed.ts'
import type { FeedEvent } from './outbox.ts'

/** Events that a subscriber takes from the feed at once. It keeps so many in memory while its client reads nothing. */
const PAGE_SIZE = 100
const RETRY_MS = 1_000

/**
 * The events after a place in the feed, in order, one for each call of next(), until the reader ends it.
 *
 * It is a class, because an async generator keeps its source open until the next event after its client has gone. A
 * Repeater makes a chain of promises for each event, and only a full collection frees that garbage.
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
   * @param after the place: the event with this ID is not delivered again
   * @param select makes what the subscriber gets of an event; undefined: the subscriber does not get it
   */
  constructor(feed: Feed, after: bigint, select: (event: FeedEvent) => Selected | undefined) {
    this.#feed = feed
    // Read now, not at the first next(): `after` is a place of this generation.
    this.#generation = feed.generation
    this.#position = after
    this.#select = select
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * Resolves with the next event as soon as there is one. `done` after the feed is closed or return() was called. Call
   * it again only after the last call resolved.
   * @throws Fault CURSOR_EXPIRED if the reader was slower than the retention, or the outbox has a new generation
   */
  async next(): Promise<IteratorResult<Selected>> {
    this.#unsubscribe ??= this.#feed.onMove(() => this.#wake())
    try {
      while (!this.#isOver && !this.#feed.closed) {
        if (this.#feed.generation !== this.#generation) {
          throw cursorExpired(NEW_GENERATION)
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

  /** Reads the next page, and waits for events if there are none. */
  async #turnPage(): Promise<void> {
    // Lets other work run: a thousand subscribers may read a burst of events that no filter matches.
    if (this.#page.length === PAGE_SIZE) await nextTurn()
    const woken = new Promise<void>((resolve) => (this.#wake = resolve))
    let retry: NodeJS.Timeout | undefined
    this.#place = 0
    this.#page = []
    try {
      this.#page = await this.#feed.read(this.#position, PAGE_SIZE)
    } catch (error) {
      if (error instanceof Fault && error.code === 'CURSOR_EXPIRED') throw error
      // Not logged here: the feed's reader logs that the database cannot be reached.
      retry = setTimeout(() => this.#wake(), RETRY_MS)
    }
    if (this.#page.length === 0 && !this.#isOver) await woken
    clearTimeout(retry)
  }
}
