import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { HeldBack } from './finality.ts'

/** How long a transaction may delay the feed before it is logged, milliseconds. */
export const WARN_AFTER_MS = 10_000

interface WriterRow {
  readonly pid: number | null
  readonly application_name: string | null
  readonly state: string | null
  readonly prepared: string | null
}

/** Logs which transaction delays the feed for long, once for each, and when it has ended. */
export class HoldBackLog {
  readonly #database: Database
  readonly #log: Logger
  readonly #warnAfterMs: number
  #told: HeldBack | undefined

  constructor(database: Database, log: Logger, warnAfterMs: number) {
    this.#database = database
    this.#log = log
    this.#warnAfterMs = warnAfterMs
  }

  /** @param lagEvents event IDs between the delivered and the written ones; IDs that were rolled back count */
  async follow(held: HeldBack | undefined, lagEvents: number): Promise<void> {
    if (this.#told && held?.writer !== this.#told.writer) {
      this.#log.info({ writer: this.#told.writer }, 'the transaction that held the feed back has ended')
      this.#told = undefined
    }
    if (this.#told || !held || held.forMs < this.#warnAfterMs) return
    const writer = await describeWriter(this.#database, held.writer)
    this.#told = held
    this.#log.warn(
      { ...writer, writer: held.writer, heldBackMs: Math.round(held.forMs), lagEvents },
      `the feed is held back by a transaction that wrote sessions or checkpoints and is still open: ${remedyOf(writer)}`,
    )
  }
}

interface Writer {
  /** null: it is a prepared transaction, or it has just ended. */
  readonly pid: number | null
  readonly applicationName: string | null
  /** null: it belongs to another role, whose state this role may not see. */
  readonly state: string | null
  /** The name of a prepared transaction. */
  readonly prepared: string | null
}

async function describeWriter(database: Database, writer: string): Promise<Writer> {
  const [row] = await database.query<WriterRow>({
    name: 'feed_writer',
    text: `SELECT l.pid, a.application_name, a.state, p.gid AS prepared
      FROM pg_locks l
      LEFT JOIN pg_stat_activity a ON a.pid = l.pid
      LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND p.transaction IN (
        SELECT t.transactionid FROM pg_locks t WHERE t.locktype = 'transactionid' AND t.virtualtransaction = l.virtualtransaction)
      WHERE l.virtualtransaction = $1 AND l.relation = 'crawler.feed_event'::regclass
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`,
    values: [writer],
  })
  return {
    pid: row?.pid ?? null,
    applicationName: row?.application_name ?? null,
    state: row?.state ?? null,
    prepared: row?.prepared ?? null,
  }
}

function remedyOf({ pid, prepared }: Writer): string {
  if (prepared !== null) return `COMMIT PREPARED or ROLLBACK PREPARED '${prepared}'`
  if (pid !== null) return `commit it or roll it back, or SELECT pg_terminate_backend(${pid})`
  return 'commit it or roll it back'
}
