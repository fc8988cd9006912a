import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Fault } from '../../fault.ts'

const WINDOW_SECONDS = 60

/**
 * What each caller has asked for within a minute, on this server, in points: one for an operation, and one for each object that it could
 * answer. A caller is known by name once authenticated, and forgotten a minute later: strangers can't fill the memory.
 */
export class CallerRates {
  readonly #pointsPerMinute: number
  readonly #limiter: RateLimiterMemory

  /** @param pointsPerMinute 0: no limit */
  constructor(pointsPerMinute: number) {
    this.#pointsPerMinute = pointsPerMinute
    this.#limiter = new RateLimiterMemory({ points: pointsPerMinute, duration: WINDOW_SECONDS })
  }

  /**
   * Takes points off the caller's minute; one operation never more than a whole one has, so that each can be asked at all.
   * @throws Fault RATE_LIMITED, with the seconds until the next minute
   */
  async spend(subject: string, points: number): Promise<void> {
    if (this.#pointsPerMinute === 0) return
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
