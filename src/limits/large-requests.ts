import { overloaded } from '../concurrency/gate.ts'

/** A request of at most so many bytes never waits: a save has some hundred. */
export const LARGE_BYTES = 8 * 1024
/** Of one caller, what may wait. It waits as bytes, outside the heap. */
export const MOST_WAITING_BYTES = 32 * 1024 * 1024
/** With the second that an operation may wait for the database that is three. */
export const LARGE_PATIENCE_MS = 2_000
export const LONGEST_REST_MS = 250

interface Waiter {
  readonly bytes: number
  readonly enter: () => void
}

/**
 * Large requests are parsed one at a time, the callers by turns. 1 MiB of JSON can take 30 MiB of memory and 200 ms of
 * the event loop. After each of them the server does other work for as long as that one took.
 */
export class LargeRequests {
  readonly #patienceMs: number
  readonly #mostWaitingBytes: number
  /** By caller, in the order of their turns. */
  readonly #waiting = new Map<string, Set<Waiter>>()
  /** Whether one of them is parsed, or the server rests from it. */
  #isBusy = false
  #refused = 0

  constructor({ patienceMs = LARGE_PATIENCE_MS, mostWaitingBytes = MOST_WAITING_BYTES } = {}) {
    this.#patienceMs = patienceMs
    this.#mostWaitingBytes = mostWaitingBytes
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    let waiting = 0
    for (const waiters of this.#waiting.values()) waiting += waiters.size
    return waiting
  }

  /** How many were refused so far. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Calls `work` when it is the caller's turn, at once if nobody is before it. The turn is over when the promise of
   * `work` is settled: by then nothing of the request may be kept but what its operation needs.
   * @param subject who sent it
   * @param bytes how long it is
   * @throws Fault OVERLOADED if the turn does not come within 2 s, or too much of the caller waits; and what `work`
   * throws
   */
  async run<Result>(subject: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
    if (this.#isBusy) await this.#wait(subject, bytes)
    else this.#isBusy = true
    const sinceMs = performance.now()
    try {
      return await work()
    } finally {
      const restMs = Math.min(performance.now() - sinceMs, LONGEST_REST_MS)
      setTimeout(() => {
        this.#letIn()
      }, restMs)
    }
  }

  #wait(subject: string, bytes: number): Promise<void> {
    const waiters = this.#waiting.get(subject) ?? new Set()
    const waitingBytes = [...waiters].reduce((sum, waiter) => sum + waiter.bytes, bytes)
    if (waitingBytes > this.#mostWaitingBytes) return Promise.reject(this.#refuse())
    this.#waiting.set(subject, waiters)
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiters.delete(waiter)
        if (waiters.size === 0) this.#waiting.delete(subject)
      }
      const giveUp = setTimeout(() => {
        leave()
        reject(this.#refuse())
      }, this.#patienceMs)
      const waiter: Waiter = {
        bytes,
        enter: () => {
          clearTimeout(giveUp)
          leave()
          resolve()
        },
      }
      waiters.add(waiter)
    })
  }

  #letIn(): void {
    const [turn] = this.#waiting
    if (!turn) {
      this.#isBusy = false
      return
    }
    const [subject, waiters] = turn
    // Its turn comes again after everybody else's.
    this.#waiting.delete(subject)
    this.#waiting.set(subject, waiters)
    const [next] = waiters
    next?.enter()
  }

  #refuse(): Error {
    this.#refused += 1
    return overloaded()
  }
}
