import { Fault } from '../errors/fault.ts'

/** The open subscriptions of each caller on this server, over all transports. */
export interface CallerStreams {
  /**
   * Counts one more subscription.
   * @returns a function that ends it; a second call does nothing
   * @throws Fault RATE_LIMITED if the caller has as many open as allowed
   */
  enter(subject: string): (() => void) | Promise<() => void>
}

/** Counts them in this process. */
export class CountedStreams implements CallerStreams {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  enter(subject: string): () => void {
    const open = this.#open.get(subject) ?? 0
    if (open >= this.#most) {
      throw new Fault(
        'RATE_LIMITED',
        `You have ${open} streams open on this server, and ${this.#most} is the most: close one, and try again.`,
      )
    }
    this.#open.set(subject, open + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const left = (this.#open.get(subject) ?? 0) - 1
      if (left > 0) this.#open.set(subject, left)
      else this.#open.delete(subject)
    }
  }
}
