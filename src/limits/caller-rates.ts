import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Fault } from '../errors/fault.ts'

const WINDOW_SECONDS = 60

type Limiter = Pick<RateLimiterAbstract, 'consume' | 'get' | 'penalty'>

interface Limit {
  readonly points: number
  /** The length of a minute, seconds. */
  readonly duration: number
}

/**
 * Counts what each caller spends on this server in a minute, in points: one for an operation, one for each object that
 * the operation or an event could return, and some for each scan. Only authenticated callers are counted, by name, and
 * forgotten after a minute. So strangers cannot fill the memory.
 */
export class CallerRates {
  readonly #pointsPerMinute: number
  readonly #limiter: Limiter

  /**
   * @param pointsPerMinute 0: no limit
   * @param minuteSeconds the length of a minute in seconds, shorter in tests
   * @param makeLimiter makes what counts. Default: it counts in this process
   */
  constructor(
    pointsPerMinute: number,
    minuteSeconds = WINDOW_SECONDS,
    makeLimiter: (limit: Limit) => Limiter = (limit) => new RateLimiterMemory(limit),
  ) {
    this.#pointsPerMinute = pointsPerMinute
    this.#limiter = makeLimiter({ points: pointsPerMinute, duration: minuteSeconds })
  }

  /** Whether there is no limit. */
  get isFree(): boolean {
    return this.#pointsPerMinute === 0
  }

  /**
   * Charges the caller for work that is already done, even if no points are left. The caller's next operation is then
   * refused.
   */
  charge(subject: string, points: number): void {
    if (!this.isFree && points > 0) void this.#limiter.penalty(subject, points)
  }

  /**
   * Takes the points if the caller has that many left, otherwise none. A price above a whole minute's points costs a
   * whole minute.
   * @returns 0 if the points are taken, otherwise the milliseconds until the next minute begins
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
   * Takes points from the caller. One operation never costs more than a minute has, so that every operation can run.
   * @returns undefined if there is no limit, so that callers of such a server need not wait for a promise
   * @throws Fault RATE_LIMITED with the seconds until the next minute
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
