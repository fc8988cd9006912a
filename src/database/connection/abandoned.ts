import type pg from 'pg'
import type { Logger } from 'pino'
import { Fault } from '../../errors/fault.ts'

const LOOK_EACH_MS = 1_000

/**
 * The backends of statements that got no answer in time. Their connections are closed, and yet they go on: one that
 * waits for a synchronous standby notices neither a timeout nor a closed connection. Each holds a connection of
 * max_connections, so they count as connections of the pool, and no more writes are sent while they are half of it.
 */
export class AbandonedBackends {
  readonly #pool: pg.Pool
  readonly #poolSize: number
  readonly #log: Logger
  #pids = new Set<number>()
  #look: NodeJS.Timeout | undefined
  #told = false

  /** @param poolSize the most connections, those of abandoned backends included */
  constructor(pool: pg.Pool, poolSize: number, log: Logger) {
    this.#pool = pool
    this.#poolSize = poolSize
    this.#log = log
    pool.on('release', (error: Error | undefined, client) => {
      const { processID } = client as unknown as { readonly processID: number | null }
      // node-postgres has no code for it (pg 8.23, client.js).
      if (error?.message === 'Query read timeout' && processID !== null) this.#add(processID)
    })
  }

  get count(): number {
    return this.#pids.size
  }

  /** Whether writes are refused. */
  get holdsWrites(): boolean {
    return this.count >= Math.max(Math.floor(this.#poolSize / 2), 1)
  }

  /** @throws Fault SERVICE_UNAVAILABLE while writes are refused */
  requireWritable(): void {
    if (!this.holdsWrites) return
    throw new Fault(
      'SERVICE_UNAVAILABLE',
      'Earlier writes still wait in the database, so this was not started. Try again in a few seconds.',
    )
  }

  close(): void {
    clearTimeout(this.#look)
    this.#look = undefined
    this.#pids.clear()
  }

  #add(pid: number): void {
    this.#pids.add(pid)
    this.#share()
    this.#lookLater()
  }

  /** The pool opens so many connections less. One is left for reads, and for the look. */
  #share(): void {
    this.#pool.options.max = Math.max(this.#poolSize - this.count, 1)
    if (this.holdsWrites === this.#told) return
    this.#told = this.holdsWrites
    if (!this.#told) this.#log.info('the database takes writes again')
    else {
      this.#log.warn(
        { abandonedBackends: this.count },
        'writes get no answer and still wait in the database (is a synchronous standby missing? pg_stat_activity shows wait_event SyncRep): no more are sent until some have ended',
      )
    }
  }

  #lookLater(): void {
    this.#look ??= setTimeout(() => {
      void this.#forgetEnded().finally(() => {
        this.#look = undefined
        if (this.count > 0 && !this.#pool.ending) this.#lookLater()
      })
    }, LOOK_EACH_MS).unref()
  }

  async #forgetEnded(): Promise<void> {
    const asked = [...this.#pids]
    try {
      // The pid of one that has ended may be another program's by now.
      const { rows } = await this.#pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1::integer[]) AND application_name = 'waymark'`,
        [asked],
      )
      const left = new Set(rows.map(({ pid }) => pid))
      for (const pid of asked) if (!left.has(pid)) this.#pids.delete(pid)
      this.#share()
    } catch (error) {
      this.#log.debug({ err: error }, 'the abandoned backends could not be counted')
    }
  }
}
