import { setTimeout as delay } from 'node:timers/promises'
import type pino from 'pino'
import type { Binaries } from './binaries.ts'
import type { Cluster } from './cluster.ts'
import { endOnExit } from './exit.ts'
import type { Identity } from './identity.ts'
import { acquire, takeLock, type Held } from './lock.ts'
import { readPidFile } from './postmaster.ts'
import { endPostmaster } from './process.ts'

export type Log = Pick<pino.Logger, 'info' | 'warn' | 'debug'>

/** Keeps PostgreSQL running on one port and owned by this process, until it is stopped. */
export class Owner {
  readonly #cluster: Cluster
  readonly #binaries: Binaries
  readonly #identity: Identity | undefined
  readonly #log: Log
  readonly #port: number
  readonly #stopping = new AbortController()
  #held: Held | undefined
  #recovery: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(cluster: Cluster, binaries: Binaries, identity: Identity | undefined, log: Log, held: Held) {
    this.#cluster = cluster
    this.#binaries = binaries
    this.#identity = identity
    this.#log = log
    this.#port = held.port
    this.#hold(held)
  }

  #hold(held: Held): void {
    this.#held = held
    const forget = endOnExit(held.pid)
    held.client.once('end', () => {
      forget()
      this.#held = undefined
      if (!this.#stopping.signal.aborted) this.#recovery = this.#recover()
    })
  }

  /** Retries until it succeeds or is stopped: without its database the server can do nothing else. */
  async #recover(): Promise<void> {
    const { signal } = this.#stopping
    const port = this.#port
    this.#log.warn({ port }, 'lost the embedded PostgreSQL: bringing it up again')
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5_000)) {
      try {
        this.#hold(await acquire(this.#cluster, this.#binaries, this.#identity, port, signal))
        this.#log.info({ port }, 'the embedded PostgreSQL is up again')
        return
      } catch (error) {
        if (signal.aborted) return
        this.#log.warn({ err: error, waitMs }, 'the embedded PostgreSQL is not up yet: trying again')
        await delay(waitMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Ends PostgreSQL if this process owns it, and waits for its end. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    await this.#recovery
    const pidFile = await readPidFile(this.#cluster.clusterDir)
    if (pidFile.state === 'running') {
      const { pid, port } = pidFile.postmaster
      // If a recovery was interrupted, PostgreSQL may run without an owner.
      const client = this.#held?.client ?? (await takeLock(this.#cluster, port).catch(() => undefined))
      // Another Waymark took it over meanwhile.
      if (!client) return
      // The lock is released with PostgreSQL, not before, so that nobody can adopt a PostgreSQL that is about to end.
      if (!(await endPostmaster(pid, this.#cluster.clusterDir))) {
        this.#log.warn('the embedded PostgreSQL did not stop in 5 s and was ended at once: its next start recovers')
      }
      await client.end().catch(() => undefined)
    }
    await this.#held?.client.end().catch(() => undefined)
  }
}
