/**
 * How long a caller waits in the server's queues before it gets OVERLOADED, milliseconds. With up to 1 s for a lock,
 * that makes 2 s.
 */
export const PATIENCE_MS = 1_000
/**
 * The same for a statement of a stream: a late event is better than none, and it delays nothing else for its reader.
 */
export const EVENT_PATIENCE_MS = 10_000

/** How long one operation may still wait, summed over all queues. Concurrent waits count once. */
export class Patience {
  #leftMs: number
  #waiting = 0
  #sinceMs = 0

  constructor(leftMs = PATIENCE_MS) {
    this.#leftMs = leftMs
  }

  /** The time that is left, milliseconds; never below 0. */
  get leftMs(): number {
    const waitedMs = this.#waiting > 0 ? performance.now() - this.#sinceMs : 0
    return Math.max(this.#leftMs - waitedMs, 0)
  }

  begin(): void {
    if (this.#waiting === 0) this.#sinceMs = performance.now()
    this.#waiting += 1
  }

  end(): void {
    this.#waiting -= 1
    if (this.#waiting === 0) this.#leftMs -= performance.now() - this.#sinceMs
  }
}
