import type { DueQuery } from './model.ts'

/** A scan that is quicker than this, milliseconds, is not kept: only large databases have slower ones. */
const SLOW_SCAN_MS = 400
/** A scan is kept for so many times as long as it took, so that scans take at most 5 % of one connection's time. */
const KEEP_TIMES = 20
/** Where scans take longer than half a second, they may take more. */
const LONGEST_KEEP_MS = 10_000
const MOST_STREAMS = 100

/** What a scan of all users behind `after` found: those who were never started. */
export interface Found {
  readonly after: string
  readonly userIds: readonly string[]
  /** Whether there are no more behind these. */
  readonly isWhole: boolean
}

interface Kept {
  readonly found: Found
  readonly completedBefore: number
  readonly until: number
  readonly keepMs: number
}

/**
 * The last slow scan of each stream, for callers that reach every user. That nobody is left who was never started can
 * only be told by looking at each user. With 1,000,000 users that took 1.9 s on two cores with much other work, and a
 * scheduler asks each second. So in a large database a user who was just registered may come into dueLists up to 10 s
 * late. Whoever uses what is kept judges it anew, so that no list comes that is not due.
 */
export class KeptScans {
  readonly #kept = new Map<string, Kept>()

  /** @param now milliseconds of performance.now() */
  find({ stream, completedBefore }: DueQuery, after: string, now: number): Found | undefined {
    const kept = this.#kept.get(stream)
    if (!kept || kept.until <= now || kept.found.after !== after) return undefined
    // A later bound makes more lists due, as time does.
    return completedBefore.getTime() - kept.completedBefore <= kept.keepMs ? kept.found : undefined
  }

  keep({ stream, completedBefore }: DueQuery, found: Found, now: number, tookMs: number): void {
    this.#kept.delete(stream)
    if (tookMs < SLOW_SCAN_MS) return
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size >= MOST_STREAMS) this.#kept.delete(oldest)
    const keepMs = Math.min(KEEP_TIMES * tookMs, LONGEST_KEEP_MS)
    this.#kept.set(stream, { found, completedBefore: completedBefore.getTime(), until: now + keepMs, keepMs })
  }
}
