import { Fault } from '../../fault.ts'

const WINDOW_MS = 60_000

/** What a caller has spent since the first point of a minute. */
interface Minute {
  readonly endsAtMs: number
  spent: number
}

/**
 * What each caller has asked for within a minute, on this server, in points: one for an operation, and one for each object that it could
 * answer. A caller is known by name once authenticated, and forgotten a minute later: strangers can't fill the memory.
 */
export class CallerRates {
  readonly #pointsPerMinute: number
  readonly #minutes = new Map<string, Minute>()

  /** @param pointsPerMinute 0: no limit */
  constructor(pointsPerMinute: number) {
    this.#pointsPerMinute = pointsPerMinute
  }

  /**
   * Takes points off the caller's minute; one operation never more than a whole one has, so that each can be asked at all.
   * @throws Fault RATE_LIMITED, with the seconds until the next minute
   */
  spend(subject: string, points: number): void {
    if (this.#pointsPerMinute === 0) return
    const now = performance.now()
    const minute = this.#minuteOf(subject, now)
    minute.spent += Math.min(points, this.#pointsPerMinute - 1)
    if (minute.spent <= this.#pointsPerMinute) return
    const retryAfterSeconds = Math.ceil((minute.endsAtMs - now) / 1000)
    throw new Fault(
      'RATE_LIMITED',
      `You have asked this server for more than ${this.#pointsPerMinute} operations and objects within a minute: ` +
        `go on in ${retryAfterSeconds} s, and ask for smaller pages or less often.`,
      { retryAfterSeconds },
    )
  }

  #minuteOf(subject: string, now: number): Minute {
    const known = this.#minutes.get(subject)
    if (known && known.endsAtMs > now) return known
    const minute = { endsAtMs: now + WINDOW_MS, spent: 0 }
    this.#minutes.set(subject, minute)
    setTimeout(() => {
      // A timer may be late, and the caller in its next minute.
      if (this.#minutes.get(subject) === minute) this.#minutes.delete(subject)
    }, WINDOW_MS).unref()
    return minute
  }
}
