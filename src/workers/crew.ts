import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Fault } from '../errors/fault.ts'
import { StartupError } from '../errors/startup-error.ts'
import { CountedStreams } from '../limits/caller-streams.ts'
import { isWaymarkMessage, type PrimaryMessage, type WorkerMessage } from './messages.ts'

/**
 * The wait before a worker that ended is replaced, milliseconds. It doubles while workers end soon after their start.
 */
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 30_000
/** A worker that served for so long did not end because of its start, milliseconds. */
const LIVED_MS = 10_000

export interface CrewOptions {
  readonly size: number
  /** Environment variables of the workers, besides those of this process. */
  readonly env: Record<string, string>
  readonly maxStreamsPerCaller: number
  readonly log: Logger
}

/**
 * The workers of one server. They listen on one port; Node hands each connection to one of them. A worker that ends is
 * replaced.
 */
export class Crew {
  readonly #options: CrewOptions
  readonly #streams: CountedStreams
  readonly #workers = new Set<Worker>()
  readonly #stopping = new AbortController()
  #pauseMs = FIRST_PAUSE_MS

  constructor(options: CrewOptions) {
    this.#options = options
    this.#streams = new CountedStreams(options.maxStreamsPerCaller)
  }

  /**
   * Starts the workers.
   * @returns the URL that all of them serve
   * @throws StartupError if a worker cannot start
   */
  async start(): Promise<string> {
    const [url = ''] = await Promise.all(Array.from({ length: this.#options.size }, () => this.#startWorker()))
    return url
  }

  /**
   * Asks the workers to stop as a single server does: each finishes its requests.
   * @param patienceMs workers that still run after this time are killed
   */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping.abort()
    const workers = [...this.#workers]
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')))
    for (const worker of workers) tell(worker, { waymark: 'stop' })
    const late = setTimeout(() => {
      for (const { process } of this.#workers) process.kill('SIGKILL')
    }, patienceMs)
    await ended
    clearTimeout(late)
  }

  #startWorker(): Promise<string> {
    const worker = cluster.fork(this.#options.env)
    this.#workers.add(worker)
    const leaves = new Map<number, () => void>()
    let servesSinceMs: number | undefined
    return new Promise((resolve, reject) => {
      worker.on('message', (message: unknown) => {
        if (!isWaymarkMessage(message)) return
        // Only workers of this program send such messages.
        const told = message as WorkerMessage
        switch (told.waymark) {
          case 'serves':
            servesSinceMs = performance.now()
            resolve(told.url)
            break
          case 'cannotStart':
            reject(new StartupError(told.reason))
            break
          case 'enterStream':
            this.#enter(worker, told, leaves)
            break
          case 'leaveStream':
            leaves.get(told.id)?.()
            leaves.delete(told.id)
            break
        }
      })
      worker.once('exit', (code: number, signal: string | null) => {
        this.#workers.delete(worker)
        for (const leave of leaves.values()) leave()
        reject(new Error(`a worker ended before it served (${signal ?? code})`))
        if (servesSinceMs !== undefined) this.#replace(worker, signal ?? code, performance.now() - servesSinceMs)
      })
    })
  }

  #enter(worker: Worker, { id, subject }: { id: number; subject: string }, leaves: Map<number, () => void>): void {
    let refusal: string | undefined
    try {
      leaves.set(id, this.#streams.enter(subject))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      refusal = error.message
    }
    tell(worker, { waymark: 'streamEntered', id, refusal })
  }

  #replace(worker: Worker, reason: string | number, livedMs: number): void {
    if (this.#isStopping()) return
    const { log } = this.#options
    this.#pauseMs = livedMs > LIVED_MS ? FIRST_PAUSE_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
    log.error({ worker: worker.process.pid, reason, pauseMs: this.#pauseMs }, 'a worker ended: another one is started')
    void this.#startUntilServed()
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  async #startUntilServed(): Promise<void> {
    for (;;) {
      await delay(this.#pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      if (this.#isStopping()) return
      try {
        await this.#startWorker()
        this.#options.log.info('a worker took the place of one that ended')
        return
      } catch (error) {
        if (this.#isStopping()) return
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
        this.#options.log.error({ err: error, pauseMs: this.#pauseMs }, 'a worker could not start: it is tried again')
      }
    }
  }
}

function tell(worker: Worker, message: PrimaryMessage): void {
  // It may have ended just now.
  if (worker.isConnected()) worker.send(message, () => undefined)
}
