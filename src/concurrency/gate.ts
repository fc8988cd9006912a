import { Fault } from '../errors/fault.ts'
import type { Patience } from './patience.ts'

/**
 * The queue in which a statement waits. write: saves, heartbeats, starts and ends. read: the reads of queries. event:
 * the reads for events of streams. scan: reads of more rows than they return, such as counts.
 */
export type Lane = 'write' | 'read' | 'event' | 'scan'

/**
 * How much longer than a read the statement of another lane must have waited to go first, milliseconds. So reads and
 * events starve no later lane. Writes go before everything.
 */
const HANDICAP_MS = { read: 0, event: 500, scan: 1_000 } as const

export interface GateOptions {
  /** How many statements may run at once. */
  readonly mostRunning: number
  /** How many statements may wait in each lane. One more is refused at once. */
  readonly mostWaiting: number
  /**
   * How many statements of a lane and of the lanes after it may run at once, so that the lanes before it have room.
   * Default: mostRunning.
   */
  readonly mostOf?: Readonly<Record<Exclude<Lane, 'write'>, number>>
}

interface Waiter {
  readonly sinceMs: number
  /** Takes the place and starts. */
  readonly enter: () => void
}

/**
 * A bounded queue with lanes. It refuses a statement with OVERLOADED if the lane is full, or if the statement has
 * waited for as long as it may. A refused statement was never started. Writes go before everything else.
 */
export class Gate {
  readonly #mostRunning: number
  readonly #mostWaiting: number
  readonly #mostOf: NonNullable<GateOptions['mostOf']>
  /** Each in order of arrival. */
  readonly #waiting: Readonly<Record<Lane, Set<Waiter>>> = {
    write: new Set(),
    read: new Set(),
    event: new Set(),
    scan: new Set(),
  }
  readonly #running: Record<Lane, number> = { write: 0, read: 0, event: 0, scan: 0 }
  #refused = 0

  constructor({ mostRunning, mostWaiting, mostOf }: GateOptions) {
    this.#mostRunning = mostRunning
    this.#mostWaiting = mostWaiting
    this.#mostOf = mostOf ?? { read: mostRunning, event: mostRunning, scan: mostRunning }
  }

  get running(): number {
    const { write, read, event, scan } = this.#running
    return write + read + event + scan
  }

  get waiting(): number {
    const { write, read, event, scan } = this.#waiting
    return write.size + read.size + event.size + scan.size
  }

  /** How many statements were refused so far. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Runs `work` once there is room.
   * @throws Fault OVERLOADED if it is refused; otherwise what `work` throws
   */
  async run<Result>(work: () => Promise<Result>, patience: Patience, lane: Lane = 'write'): Promise<Result> {
    if (this.#hasRoom(lane)) this.#running[lane] += 1
    else await this.#wait(patience, lane)
    try {
      return await work()
    } finally {
      this.#running[lane] -= 1
      this.#letIn()
    }
  }

  #hasRoom(lane: Lane): boolean {
    const { write, read, event, scan } = this.#running
    if (write + read + event + scan >= this.#mostRunning) return false
    if (lane === 'write') return true
    if (read + event + scan >= this.#mostOf.read) return false
    if (lane === 'read') return true
    if (event + scan >= this.#mostOf.event) return false
    return lane === 'event' || scan < this.#mostOf.scan
  }

  /** Resolves when a place has been taken. */
  #wait(patience: Patience, lane: Lane): Promise<void> {
    const { leftMs } = patience
    const waiting = this.#waiting[lane]
    if (waiting.size >= this.#mostWaiting || leftMs === 0) return Promise.reject(this.#refuse())
    return new Promise((resolve, reject) => {
      patience.begin()
      const waiter: Waiter = {
        sinceMs: performance.now(),
        enter: () => {
          clearTimeout(giveUp)
          waiting.delete(waiter)
          patience.end()
          // Taken now instead of when the waiter runs, so that nobody who arrives in between gets the place.
          this.#running[lane] += 1
          resolve()
        },
      }
      const giveUp = setTimeout(() => {
        waiting.delete(waiter)
        patience.end()
        reject(this.#refuse())
      }, leftMs)
      waiting.add(waiter)
    })
  }

  #letIn(): void {
    for (let next = this.#next(); next; next = this.#next()) next.enter()
  }

  /** The statement that goes next; undefined: none that waits has room. */
  #next(): Waiter | undefined {
    const [write] = this.#waiting.write
    if (write) return this.#hasRoom('write') ? write : undefined
    let next: Waiter | undefined
    let nextMs = Infinity
    for (const lane of ['read', 'event', 'scan'] as const) {
      const [first] = this.#waiting[lane]
      if (!first || !this.#hasRoom(lane)) continue
      const turnMs = first.sinceMs + HANDICAP_MS[lane]
      if (turnMs < nextMs) [next, nextMs] = [first, turnMs]
    }
    return next
  }

  #refuse(): Fault {
    this.#refused += 1
    return overloaded()
  }
}

export function overloaded(): Fault {
  return new Fault(
    'OVERLOADED',
    'The server has more work than it can do just now, so this was not started. Try again in a second.',
  )
}
