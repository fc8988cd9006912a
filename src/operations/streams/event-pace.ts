/**
 * How many objects of events are made at once. So a round of the event loop stays short, whatever streams read: making
 * 2,000 objects takes about 100 ms. Small events are made side by side by the hundred, and share their reads.
 */
const MOST_OBJECTS = 2_000

interface Work {
  readonly objects: number
  readonly begin: () => void
}

/** When the events of streams are made: some objects at a time, the callers by turns. */
export class EventPace {
  readonly #mostObjects: number
  /** By caller, in the order of their turns. */
  readonly #waiting = new Map<string, Work[]>()
  #objects = 0
  #isScheduled = false

  constructor(mostObjects = MOST_OBJECTS) {
    this.#mostObjects = mostObjects
  }

  /** Callers whose events wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Makes an event, at once if there is room.
   * @param objects how many it could return; more than all the room has it to itself
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

  /** In the next round of the event loop: others' requests get in between. */
  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      // What needs no read is made at once: it counts all the same.
      for (let begun = 0; begun < this.#mostObjects;) {
        const next = this.#takeNext()
        if (!next) return
        begun += next.objects
        next.begin()
      }
      this.#schedule()
    })
  }

  /** @returns undefined: nobody waits, or there is no room for who is next */
  #takeNext(): Work | undefined {
    const [turn] = this.#waiting
    if (!turn) return undefined
    const [subject, works] = turn
    const [next] = works
    if (!next || !this.#hasRoom(next.objects)) return undefined
    works.shift()
    this.#waiting.delete(subject)
    // Its turn comes again after everybody else's.
    if (works.length > 0) this.#waiting.set(subject, works)
    return next
  }
}
