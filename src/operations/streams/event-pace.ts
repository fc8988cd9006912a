/**
 * The most objects of events that are made at once, so that a turn of the event loop stays short, whatever streams
 * select: making 2,000 objects takes about 100 ms. Hundreds of small events are made together, and share their reads.
 */
const MOST_OBJECTS = 2_000

interface Work {
  readonly objects: number
  readonly begin: () => void
}

/** Schedules the making of streams' events: a limited number of objects at a time, and the callers in turn. */
export class EventPace {
  readonly #mostObjects: number
  /** Waiting events by caller, in the order of the callers' turns. */
  readonly #waiting = new Map<string, Work[]>()
  #objects = 0
  #isScheduled = false

  constructor(mostObjects = MOST_OBJECTS) {
    this.#mostObjects = mostObjects
  }

  /** The number of callers whose events wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Makes an event, at once if there is room.
   * @param objects how many objects it could return; an event with more than the limit is made alone
   * @param make called once
   */
  run<Made>(subject: string, objects: number, make: () => Made | Promise<Made>): Made | Promise<Made> {
    if (this.#waiting.size === 0 && this.#hasRoom(objects)) return this.#make(objects, make)
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          resolve(this.#make(objects, make))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      const works = this.#waiting.get(subject)
      if (works) works.push({ objects, begin })
      else this.#waiting.set(subject, [{ objects, begin }])
      this.#schedule()
    })
  }

  #hasRoom(objects: number): boolean {
    return this.#objects === 0 || this.#objects + objects <= this.#mostObjects
  }

  #make<Made>(objects: number, make: () => Made | Promise<Made>): Made | Promise<Made> {
    this.#objects += objects
    const leave = () => {
      this.#objects -= objects
      this.#schedule()
    }
    let made
    try {
      made = make()
    } catch (error) {
      leave()
      throw error
    }
    if (made instanceof Promise) return made.finally(leave)
    leave()
    return made
  }

  /** On the next turn of the event loop, so that other requests run in between. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      // Events that need no read are made at once, but count all the same.
      for (let begun = 0; begun < this.#mostObjects;) {
        const next = this.#takeNext()
        if (!next) return
        begun += next.objects
        next.begin()
      }
      this.#schedule()
    })
  }

  /** @returns undefined if nobody waits, or there is no room for the next one */
  #takeNext(): Work | undefined {
    const [turn] = this.#waiting
    if (!turn) return undefined
    const [subject, works] = turn
    const [next] = works
    if (!next || !this.#hasRoom(next.objects)) return undefined
    works.shift()
    this.#waiting.delete(subject)
    // The caller's next turn comes after everybody else's.
    if (works.length > 0) this.#waiting.set(subject, works)
    return next
  }
}
