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
    await this.#alone(async () => {
      if (this.#session.silentMs > this.#beatMs * 1.5) await this.#session.heartbeat()
    })
  }

  /** Reports a rate limit. Until `release`, each heartbeat repeats it: one without it would end it. @throws {LostError} */
  async reportRateLimit(until: () => Date): Promise<void> {
    await this.#alone(async () => {
      this.#rateLimitedUntil = until
      await this.#session.rateLimited(until())
    })
  }

  release(): void {
    this.#rateLimitedUntil = undefined
  }

  /** Ends the heartbeats. */
  end(): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
  }

  /** One heartbeat at a time: after the answer to one, the next may be one too many. */
  async #alone(act: () => Promise<void>): Promise<void> {
    await this.#underWay
    if (this.#session.lost) throw this.#session.lost
    const acting = act()
    this.#underWay = acting.catch(() => undefined)
    await acting
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.#beat(), Math.max(this.#beatMs - this.#session.silentMs, 100))
  }

  async #beat(): Promise<void> {
    // The session notes that it is lost. Of other failures the next heartbeat or save will tell.
    await this.#alone(async () => {
      if (this.#session.silentMs < this.#beatMs) return
      await this.#session.heartbeat({ rateLimitedUntil: this.#rateLimitedUntil?.() })
    }).catch(() => undefined)
    if (!this.#hasEnded && !this.#session.lost) this.#schedule()
  }
}
