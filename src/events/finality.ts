import { IDS_PER_PARTITION } from '../database/partitions.ts'

/** What one look at the outbox sees: the highest event ID in its snapshot, and then who has written the outbox and is still open. */
export interface OutboxLook {
  readonly highest: bigint
  /** Known to be final by somebody who has looked for longer. */
  readonly finalUpTo: bigint
  /** Their virtual transaction IDs, read after the snapshot was taken. */
  readonly writers: readonly string[]
}

/** What keeps events from being final. */
export interface HeldBack {
  /** The virtual transaction ID of the open transaction whose events come first. */
  readonly writer: string
  /** Since a look first saw it. */
  readonly forMs: number
}

interface OpenWriter {
  /** Its own events are all above this one. */
  readonly above: bigint
  readonly seenAtMs: number
}

/** Of a prepared transaction that has come through a restart of the server: until then it had another ID. */
const RECOVERED = '-1/'

/**
 * Up to where the outbox is final: everything up to there is committed, or never will be.
 *
 * IDs are taken before they are committed, so the highest visible one says nothing of those below it. But a writer locks the
 * outbox before it takes its first ID, and lets go after its events can be seen. So whoever isn't among the writers of one look
 * and is among those of the next has only IDs above the first look's highest; and where the last look has no writer at all,
 * everything up to its highest is final for whoever reads in a later snapshot. The position is the lowest of these bounds.
 */
export class Finality {
  #position: bigint
  #highest: bigint
  readonly #writers = new Map<string, OpenWriter>()
  /** IDs that nobody was given: each next partition of the outbox begins at a round number. */
  #skipped: { readonly after: bigint; readonly count: bigint }[] = []

  /** @param position known to be final, whoever is open */
  constructor(position: bigint) {
    this.#position = position
    this.#highest = position
  }

  /** Everything up to it is final. */
  get position(): bigint {
    return this.#position
  }

  /** The highest event that was ever seen. */
  get highest(): bigint {
    return this.#highest
  }

  /** Looks are judged in the order in which they were taken. @param nowMs of a clock that never goes back */
  judge({ highest, finalUpTo, writers }: OutboxLook, nowMs: number): void {
    const open = new Set(writers)
    for (const writer of this.#writers.keys()) if (!open.has(writer)) this.#writers.delete(writer)
    for (const writer of open) {
      if (this.#writers.has(writer)) continue
      const above = writer.startsWith(RECOVERED) ? this.#position : this.#highest
      this.#writers.set(writer, { above, seenAtMs: nowMs })
    }
    // The highest may have been pruned meanwhile by a replica that is ahead.
    for (const seen of [highest, finalUpTo]) if (seen > this.#highest) this.#rise(seen)
    const final = this.#first()?.[1].above ?? this.#highest
    for (const known of [final, finalUpTo]) if (known > this.#position) this.#position = known
  }

  /** undefined: every event that was seen is final. */
  heldBack(nowMs: number): HeldBack | undefined {
    const first = this.#first()
    if (!first || this.#position >= this.#highest) return undefined
    const [writer, { seenAtMs }] = first
    return { writer, forMs: nowMs - seenAtMs }
  }

  /** How many IDs were given out after a place, which never goes back, and up to the highest that was seen; those rolled back count. */
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
