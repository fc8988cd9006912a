import type { Reader } from './mapped-stream.ts'
import type { CallerRates } from '../../limits/caller-rates.ts'

/** The price of an event. */
export interface Bill {
  /** Called when it is this bill's turn. @returns the points to pay */
  readonly points: () => number
  /** Called when the points are taken, before the next bill's turn. */
  readonly onPaid: () => void
}

interface WaitingBill extends Bill {
  readonly settle: (isPaid: boolean) => void
}

/** The bills of one caller, in order of arrival. */
class Queue {
  readonly bills = new Set<WaitingBill>()
  wake: () => void = () => {}
}

/**
 * Charges callers for the events of their streams. An event waits until its caller has enough points, so it may come
 * late but is never lost. Callers do not wait for each other.
 */
export class EventPayments {
  readonly #rates: CallerRates
  readonly #queues = new Map<string, Queue>()

  constructor(rates: CallerRates) {
    this.#rates = rates
  }

  /** The number of callers that have something to pay; 0: nobody waits. */
  get size(): number {
    return this.#queues.size
  }

  /** @returns whether it is paid; false: the reader has left */
  pay(subject: string, bill: Bill, reader: Reader): Promise<boolean> {
    const known = this.#queues.get(subject)
    const queue = known ?? new Queue()
    if (!known) this.#queues.set(subject, queue)
    const paid = new Promise<boolean>((resolve) => {
      const { bills } = queue
      const waiting: WaitingBill = {
        ...bill,
        settle: (isPaid) => {
          bills.delete(waiting)
          reader.onLeave = undefined
          resolve(isPaid)
        },
      }
      bills.add(waiting)
      reader.onLeave = () => {
        waiting.settle(false)
        if (bills.size === 0) queue.wake()
      }
    })
    if (!known) void this.#collect(subject, queue)
    return paid
  }

  async #collect(subject: string, queue: Queue): Promise<void> {
    for (let [bill] = queue.bills; bill; [bill] = queue.bills) {
      const waitMs = await this.#rates.tryTake(subject, bill.points())
      if (waitMs > 0) {
        await sleep(queue, waitMs)
      } else if (queue.bills.has(bill)) {
        bill.onPaid()
        bill.settle(true)
      }
    }
    this.#queues.delete(subject)
  }
}

/** Waits until the time is over or no bill waits any more. */
function sleep(queue: Queue, milliseconds: number): Promise<void> {
  if (queue.bills.size === 0) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    queue.wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}
