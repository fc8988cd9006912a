import { IDS_PER_PARTITION } from '../database/partitions.ts'

/**
 * What one look at the outbox sees: the highest event ID in its snapshot, then the open transactions that wrote the
 * outbox.
 */
export interface OutboxLook {
  readonly highest: bigint
  /** Another reader, which has looked for longer, stored that everything up to here is final. */
  readonly finalUpTo: bigint
  /** The virtual transaction IDs of the writers. They are read after the snapshot was taken. */
  readonly writers: readonly string[]
}

/** The open transaction that delays the feed. */
export interface HeldBack {
  /** The virtual transaction ID of the writer whose events come first. */
  readonly writer: string
  /** Milliseconds since a look first saw it. */
  readonly forMs: number
}

interface OpenWriter {
  /** All its events have IDs above this one. */
  readonly above: bigint
  readonly seenAtMs: number
}

/**
 * The prefix of the IDs of prepared transactions after a restart of PostgreSQL. Before the restart they had other IDs,
 * so such a writer may be older than it looks.
 */
const RECOVERED = '-1/'

/**
 * Finds up to where the outbox is final: each event up to there is committed or never will be.
 *
 * A transaction takes its event IDs before it commits, so the highest visible ID says nothing about lower ones. But a
 * writer locks the outbox before it takes its first ID, and releases the lock after its events are visible. So a writer
 * that the last look did not see, and this look sees, has only IDs above the highest of the last look. And if a look
 * sees no writer, everything up to its highest ID is final for readers with a later snapshot. The position is the
 * lowest of these bounds.
 */
export class Finality {
  #position: bigint
  #highest: bigint
  readonly #writers = new Map<string, OpenWriter>()
  /** Ranges of IDs that no event has: each partition of the outbox begins at a round number. */
  #skipped: { readonly after: bigint; readonly count: bigint }[] = []

  /** @param position everything up to this ID is known to be final, whatever is open */
  constructor(position: bigint) {
    this.#position = position
    this.#highest = position
  }

  /** The last final event ID. */
  get position(): bigint {
    return this.#position
  }

  /** The highest event ID that was ever seen. */
  get highest(): bigint {
    return this.#highest
  }

  /**
   * Takes a look into account. Pass looks in the order in which they were taken.
   * @param nowMs milliseconds of a clock that never goes back
   */
  judge({ highest, finalUpTo, writers }: OutboxLook, nowMs: number): void {
    const open = new Set(writers)
    for (const writer of this.#writers.keys()) if (!open.has(writer)) this.#writers.delete(writer)
    for (const writer of open) {
      if (this.#writers.has(writer)) continue
      const above = writer.startsWith(RECOVERED) ? this.#position : this.#highest
      this.#writers.set(writer, { above, seenAtMs: nowMs })
    }
    // `highest` can be lower than before: a replica that is ahead may have pruned events.
    for (const seen of [highest, finalUpTo]) if (seen > this.#highest) this.#rise(seen)
    const final = this.#first()?.[1].above ?? this.#highest
    for (const known of [final, finalUpTo]) if (known > this.#position) this.#position = known
  }

  /** @returns undefined if every event that was seen is final */
  heldBack(nowMs: number): HeldBack | undefined {
    const first = this.#first()
    if (!first || this.#position >= this.#highest) return undefined
    const [writer, { seenAtMs }] = first
    return { writer, forMs: nowMs - seenAtMs }
  }

  /**
   * How many IDs between `position` and the highest seen one were given out. IDs that were rolled back count.
   * @param position never lower than at the last call
   */
  idsAfter(position: bigint): number {
    this.#skipped = this.#skipped.filter(({ after }) => after >= position)
    return Number(this.#skipped.reduce((ids, { count }) => ids - count, this.#highest - position))
  }

  #rise(highest: bigint): void {
    const first = highest - (highest % IDS_PER_PARTITION)
    if (first > this.#highest + 1n) this.#skipped.push({ after: this.#highest, count: first - 1n - this.#highest })
    this.#highest = highest
  }

  #first(): readonly [string, OpenWriter] | undefined {
    let first: readonly [string, OpenWriter] | undefined
    for (const entry of this.#writers) if (!first || entry[1].above < first[1].above) first = entry
    return first
  }
}
