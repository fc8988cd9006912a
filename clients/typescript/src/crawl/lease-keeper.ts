import type { Session } from '../session.ts'

/** A heartbeat as soon as a third of the lease has passed in silence. */
const BEATS_A_LEASE = 3

/** Sends heartbeats in the background while a session fetches, processes or waits. */
export class LeaseKeeper {
  readonly #session: Session
  readonly #beatMs: number
  #hasEnded = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #rateLimitedUntil: (() => Date) | undefined
  #underWay: Promise<unknown> = Promise.resolve()

  constructor(session: Session) {
    this.#session = session
    this.#beatMs = (session.leaseSeconds * 1000) / BEATS_A_LEASE
    this.#schedule()
  }

  /**
   * Sends a heartbeat if one is overdue, as after the sleep of a computer, and waits for its answer.
   * @throws {LostError} where the session is lost
   */
  async catchUp(): Promise<void> {
    await this.#underWay
    this.#throwIfLost()
    if (this.#session.silentMs > this.#beatMs * 1.5) await this.#session.heartbeat()
  }

  /** Reports a rate limit. Until `release`, each heartbeat repeats it: one without it would end it. @throws {LostError} */
  async reportRateLimit(until: () => Date): Promise<void> {
    await this.#underWay
    this.#throwIfLost()
    this.#rateLimitedUntil = until
    await this.#session.rateLimited(until())
  }

  release(): void {
    this.#rateLimitedUntil = undefined
  }

  /** Ends the heartbeats. */
  end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
  }

  #throwIfLost(): void {
    if (this.#session.lost) throw this.#session.lost
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.#beat(), Math.max(this.#beatMs - this.#session.silentMs, 100))
  }

  async #beat(): Promise<void> {
    if (this.#session.lost) return
    if (this.#session.silentMs >= this.#beatMs) {
      const rateLimitedUntil = this.#rateLimitedUntil?.()
      // The session notes that it is lost. Of other failures the next heartbeat or save will tell.
      this.#underWay = this.#session.heartbeat({ rateLimitedUntil }).catch(() => undefined)
      await this.#underWay
    }
    if (!this.#hasEnded) this.#schedule()
  }
}
