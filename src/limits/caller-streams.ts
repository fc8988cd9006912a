import { Fault } from '../errors/fault.ts'

/** How many subscriptions each caller has open on this server, over whichever transport. */
export class CallerStreams {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** Takes a place. @returns gives it back; more than once is as good as once @throws Fault RATE_LIMITED */
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
