import { Fault } from '../fault.ts'
import type { Patience } from './patience.ts'

export interface GateOptions {
  /** What may run at once. */
  readonly mostRunning: number
  /** What may wait for that; one more is refused at once. */
  readonly mostWaiting: number
}

/** A queue with an end: what finds it full, or has waited in it for as long as it may, is told OVERLOADED and never begun. */
export class Gate {
  readonly #mostRunning: number
  readonly #mostWaiting: number
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>()
  #running = 0
  #refused = 0

  constructor({ mostRunning, mostWaiting }: GateOptions) {
    this.#mostRunning = mostRunning
    this.#mostWaiting = mostWaiting
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** How many were refused so far. */
  get refused(): number {
    return this.#refused
  }

  /** Runs it once there is room. @throws Fault OVERLOADED, and whatever `work` throws */
  async run<Result>(work: () => Promise<Result>, patience: Patience): Promise<Result> {
    if (this.#running < this.#mostRunning) this.#running += 1
    else await this.#wait(patience)
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  /** Resolves with a place taken. */
  #wait(patience: Patience): Promise<void> {
    const { leftMs } = patience
    if (this.#waiting.size >= this.#mostWaiting || leftMs === 0) return Promise.reject(this.#refuse())
    return new Promise((resolve, reject) => {
      patience.begin()
      const enter = () => {
        clearTimeout(giveUp)
        patience.end()
        resolve()
      }
      const giveUp = setTimeout(() => {
        this.#waiting.delete(enter)
        patience.end()
        reject(this.#refuse())
      }, leftMs)
      this.#waiting.add(enter)
    })
  }

  /** The place goes from hand to hand, so that nobody who has just come gets in between. */
  #leave(): void {
    const [enter] = this.#waiting
    if (!enter) {
      this.#running -= 1
      return
    }
    this.#waiting.delete(enter)
    enter()
  }

  #refuse(): Fault {
    this.#refused += 1
    return overloaded()
  }
}

export function overloaded(): Fault {
  return new Fault(
    'OVERLOADED',
    'More is asked of this server than it can do just now, so this was not begun. Try again in a second.',
  )
}
