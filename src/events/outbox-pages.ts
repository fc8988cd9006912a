import type { FeedEvent } from './outbox.ts'

const PAGE_SIZE = 100
/** 6,400 events at the most, a few MB. */
const MOST_PAGES = 64

/** A part of the log: every final event above `from`, up to `to`. */
interface Page {
  readonly from: bigint
  readonly to: bigint
  readonly events: readonly FeedEvent[]
}

/**
 * The outbox for subscribers that fell behind what is remembered. After a burst all of them do, and go through the same events: each
 * page is read once for those who are at the same place, and hands all of them the same events (see one-per-event.ts).
 */
export class OutboxPages {
  readonly #readAfter: (after: bigint, limit: number) => Promise<readonly FeedEvent[]>
  readonly #pages: Page[] = []
  readonly #reading = new Map<bigint, Promise<readonly FeedEvent[]>>()

  /** @param readAfter final events from the database; rejects where some of them may be gone */
  constructor(readAfter: (after: bigint, limit: number) => Promise<readonly FeedEvent[]>) {
    this.#readAfter = readAfter
  }

  /** Final events after a place, 100 at the most; empty: none yet. */
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
