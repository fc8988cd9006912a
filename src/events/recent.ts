import type { FeedEvent } from './outbox.ts'

/** The last events of the feed, for those who keep up; a subscriber that falls further behind reads the outbox itself. */
export class RecentEvents {
  readonly #limit: number
  /** Every final event above it is here, also where the IDs between were rolled back. */
  #after: bigint
  #events: FeedEvent[] = []

  constructor(after: bigint, limit: number) {
    this.#after = after
    this.#limit = limit
  }

  /** @param events that follow those already here */
  append(events: readonly FeedEvent[]): void {
    this.#events.push(...events)
    const surplus = this.#events.splice(0, Math.max(0, this.#events.length - this.#limit))
    this.#after = surplus.at(-1)?.eventId ?? this.#after
  }

  /** undefined: some of what follows is no longer here. */
  read(after: bigint, limit: number): readonly FeedEvent[] | undefined {
    if (after < this.#after) return undefined
    // From the end: those who keep up want the last few, and there may be a thousand of them.
    const from = this.#events.findLastIndex(({ eventId }) => eventId <= after) + 1
    return this.#events.slice(from, from + limit)
  }
}
