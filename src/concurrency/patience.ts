/** What a caller waits in queues of ours before it is told OVERLOADED. With a lock that is not got (1 s) that is two. */
export const PATIENCE_MS = 1_000
/** The same of a stream's statement: an event that comes late is better than none, and delays nothing for its reader. */
export const EVENT_PATIENCE_MS = 10_000

/** How long one operation may still wait, over all the queues it comes to. What waits side by side is counted once. */
export class Patience {
  #leftMs: number
  #waiting = 0
  #sinceMs = 0

  constructor(leftMs = PATIENCE_MS) {
    this.#leftMs = leftMs
  }

  /** Milliseconds, never below 0. */
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
