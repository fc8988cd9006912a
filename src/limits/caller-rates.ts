import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Fault } from '../errors/fault.ts'

const WINDOW_SECONDS = 60

/**
 * What each caller has asked for within a minute, on this server, in points: one for an operation, one for each object
 * that it or an event could return, and some for each scan. A caller is known by name once authenticated, and
 * forgotten a minute later: strangers can't fill the memory.
 */
export class CallerRates {
  readonly #pointsPerMinute: number
  readonly #limiter: RateLimiterMemory

  /**
   * @param pointsPerMinute 0: no limit
   * @param minuteSeconds how long a minute is; tests have less time
   */
  constructor(pointsPerMinute: number, minuteSeconds = WINDOW_SECONDS) {
    this.#pointsPerMinute = pointsPerMinute
    this.#limiter = new RateLimiterMemory({ points: pointsPerMinute, duration: minuteSeconds })
  }

  /** Whether nothing costs anything. */
  get isFree(): boolean {
    return this.#pointsPerMinute === 0
  }

  /**
   * Takes points off the caller's minute for work that is done, also where none are left: what comes next is refused.
   */
  charge(subject: string, points: number): void {
    if (!this.isFree && points > 0) void this.#limiter.penalty(subject, points)
  }

  /**
   * Takes points off the caller's minute if the caller has as many, or else none. More than a minute has cost a whole
   * one.
   * @returns 0: they are taken; else milliseconds until the next minute begins
   */
  async tryTake(subject: string, points: number): Promise<number> {
    if (this.isFree) return 0
    const cost = Math.min(points, this.#pointsPerMinute)
    const minute = await this.#limiter.get(subject)
    if (minute && minute.msBeforeNext > 0 && minute.consumedPoints + cost > this.#pointsPerMinute) {
      return minute.msBeforeNext
    }
    await this.#limiter.penalty(subject, cost)
    return 0
  }

  /**
   * Takes points off the caller's minute; one operation never more than a whole one has, so that each can be asked at
   * all.
   * @returns undefined where there is no limit: most callers of a local server need not wait for a promise
   * @throws Fault RATE_LIMITED, with the seconds until the next minute
   */
  spend(subject: string, points: number): Promise<void> | undefined {
    return this.isFree ? undefined : this.#consume(subject, points)
  }

  async #consume(subject: string, points: number): Promise<void> {
    try {
      await this.#limiter.consume(subject, Math.min(points, this.#pointsPerMinute - 1))
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      const retryAfterSeconds = Math.max(Math.ceil(refusal.msBeforeNext / 1000), 1)
      throw new Fault(
        'RATE_LIMITED',
        `You have asked this server for more than ${this.#pointsPerMinute} operations and objects within a minute: ` +
          `go on in ${retryAfterSeconds} s, and ask for smaller pages or less often.`,
        { retryAfterSeconds },
      )
    }
  }
}
