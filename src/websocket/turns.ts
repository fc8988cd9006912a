import { LARGE_BYTES, type LargeRequests } from '../limits/large-requests.ts'

/** A message whose handling has begun. */
export interface BegunMessage {
  /** Resolves when nothing is left to do for it: of a subscription, when it is over. */
  readonly handled: Promise<void>
  /** Resolves once nothing of it is kept but what its operation needs. */
  readonly forgotten: Promise<void>
}

interface Options {
  readonly largeRequests: LargeRequests
  /** Whose socket it is. */
  readonly subject: () => string
  /** Parses a message and begins to handle it. */
  readonly begin: (data: Buffer) => BegunMessage
  /** Called when a message has to wait, and when none waits any longer. Until then nothing more should be read. */
  readonly onWait: (waits: boolean) => void
}

/** Begins the messages of one socket in the order in which they came, and each large one in its turn. */
export class MessageTurns {
  readonly #options: Options
  /** Resolves when the last message that waits has begun; undefined: none waits. */
  #last: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** @throws Fault OVERLOADED, and what `begin` throws */
  handle(data: Buffer): Promise<void> {
    const { largeRequests, subject, begin, onWait } = this.#options
    const bytes = data.byteLength
    return new Promise((resolve, reject) => {
      const start = () => {
        const { handled, forgotten } = begin(data)
        handled.then(resolve, reject)
        return forgotten
      }
      const startInTurn = async () => {
        if (bytes > LARGE_BYTES) await largeRequests.run(subject(), bytes, async () => start())
        else void start()
      }
      const begun = (this.#last ?? Promise.resolve()).then(startInTurn).catch(reject)
      this.#last = begun
      onWait(true)
      void begun.then(() => {
        if (this.#last !== begun) return
        this.#last = undefined
        onWait(false)
      })
    })
  }

  /** Whether a message of so many bytes can begin at once, without this. */
  isFree(bytes: number): boolean {
    return bytes <= LARGE_BYTES && this.#last === undefined
  }
}
