import { fingerprintOf } from './fingerprint.ts'
import type { FeedEvent } from './outbox.ts'

/** About 1 MB. At a thousand events a second, ten seconds. */
const MOST = 10_000

/**
 * The last events that this process has seen in the outbox, each by its fingerprint. Where the server of the database
 * is another one, or was restarted, all of them must still be there: a database that lost commits can have lost one
 * event and kept the next.
 */
export class DeliveredEvents {
  readonly #fingerprints = new Map<bigint, string>()

  /** Call it before the events are delivered, and before a cursor of one is given out. */
  note(events: readonly FeedEvent[]): void {
    for (const event of events) this.#fingerprints.set(event.eventId, fingerprintOf(event))
    // Sorting is dear, so it is done once for each MOST events.
    if (this.#fingerprints.size <= 2 * MOST) return
    for (const eventId of this.ids().slice(0, -MOST)) this.#fingerprints.delete(eventId)
  }

  /** undefined: the event is older than the last 10,000, or was never seen. */
  fingerprint(eventId: bigint): string | undefined {
    return this.#fingerprints.get(eventId)
  }

  /** In ascending order. */
  ids(): bigint[] {
    return [...this.#fingerprints.keys()].sort((one, other) => (one < other ? -1 : 1))
  }

  /**
   * Compares them with what the database holds now.
   * @param kept what it holds of the events with `ids()`
   * @param prunedUpTo events up to this one may be gone
   * @returns those that it has lost, or has another event for
   */
  lost(kept: readonly FeedEvent[], prunedUpTo: bigint): bigint[] {
    const held = new Map(kept.map((event) => [event.eventId, fingerprintOf(event)]))
    return this.ids().filter((id) => id > prunedUpTo && held.get(id) !== this.#fingerprints.get(id))
  }

  clear(): void {
    this.#fingerprints.clear()
  }
}
