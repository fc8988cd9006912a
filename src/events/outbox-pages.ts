import type { FeedEvent } from './outbox.ts'

const PAGE_SIZE = 100
/** At most 6,400 events, a few MB. */
const MOST_PAGES = 64

/** One page of the log: every final event above `from`, up to `to`. */
interface Page {
  readonly from: bigint
  readonly to: bigint
  readonly events: readonly FeedEvent[]
}

/**
 * Reads the outbox for subscribers that are behind the remembered events. After a burst all of them are, and read the
 * same events. Each page is read once, and all subscribers at the same place get the same event objects
 * (one-per-event.ts).
 */
export class OutboxPages {
  readonly #readAfter: (after: bigint, limit: number) => Promise<readonly FeedEvent[]>
  readonly #pages: Page[] = []
  readonly #reading = new Map<bigint, Promise<readonly FeedEvent[]>>()

  /** @param readAfter reads final events from the database; rejects if some of them may have been pruned */
  constructor(readAfter: (after: bigint, limit: number) => Promise<readonly FeedEvent[]>) {
    this.#readAfter = readAfter
  }

  /** Final events after a place, at most 100. Empty if there are none yet. */
  async read(after: bigint): Promise<readonly FeedEvent[]> {
    const page = this.#pages.findLast(({ from, to }) => from <= after && after < to)
    if (page) return page.events.slice(page.events.findIndex(({ eventId }) => eventId > after))
    let reading = this.#reading.get(after)
    if (!reading) {
      reading = this.#fetch(after).finally(() => this.#reading.delete(after))
      this.#reading.set(after, reading)
    }
    return reading
  }

  async #fetch(after: bigint): Promise<readonly FeedEvent[]> {
    const events = await this.#readAfter(after, PAGE_SIZE)
    const last = events.at(-1)
    if (last) this.#pages.push({ from: after, to: last.eventId, events })
    if (this.#pages.length > MOST_PAGES) this.#pages.shift()
    return events
  }
}
