import { Fault } from '../errors/fault.ts'
import type { CallerStreams } from '../limits/caller-streams.ts'
import type { WorkerMessage } from './messages.ts'

/** Counts streams in the primary, together with those of the other workers. */
export class WorkerStreams implements CallerStreams {
  readonly #tell: (message: WorkerMessage) => void
  readonly #asked = new Map<number, (refusal: string | undefined) => void>()
  #lastId = 0

  /** @param tell sends to the primary */
  constructor(tell: (message: WorkerMessage) => void) {
    this.#tell = tell
  }

  async enter(subject: string): Promise<() => void> {
    this.#lastId += 1
    const id = this.#lastId
    const refusal = await new Promise<string | undefined>((resolve) => {
      this.#asked.set(id, resolve)
      this.#tell({ waymark: 'enterStream', id, subject })
    })
    if (refusal !== undefined) throw new Fault('RATE_LIMITED', refusal)
    return () => {
      this.#tell({ waymark: 'leaveStream', id })
    }
  }

  /** Called for each answer of the primary. */
  settle(id: number, refusal: string | undefined): void {
    this.#asked.get(id)?.(refusal)
    this.#asked.delete(id)
  }
}
