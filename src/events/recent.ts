import type { FeedEvent } from './outbox.ts'

/** The last events of the feed, in memory. A subscriber that is further behind reads the outbox. */
export class RecentEvents {
  readonly #limit: number
  /** Every final event above this ID is here. IDs that were rolled back have no event. */
  #after: bigint
  #events: FeedEvent[] = []

  constructor(after: bigint, limit: number) {
    this.#after = after
    this.#limit = limit
  }

  /** @param events the events that follow those already here */
  append(events: readonly FeedEvent[]): void {
    this.#events.push(...events)
    const surplus = this.#events.splice(0, Math.max(0, this.#events.length - this.#limit))
    this.#after = surplus.at(-1)?.eventId ?? this.#after
  }

  /** @returns undefined if some of the events after `after` are no longer here */
  read(after: bigint, limit: number): readonly FeedEvent[] | undefined {
    if (after < this.#after) return undefined
    // Searched from the end: most subscribers want only the last few, and there may be a thousand subscribers.
    const from = this.#events.findLastIndex(({ eventId }) => eventId <= after) + 1
    return this.#events.slice(from, from + limit)
  }
}
