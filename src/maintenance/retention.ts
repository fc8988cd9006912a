import type { Logger } from 'pino'
import { inBatches } from '../database/batches.ts'
import type { Database } from '../database/database.ts'
import { type GrowingTable, keepPartitions, type Partition } from '../database/partitions.ts'
import { deletePrunable, type PrunePosition } from '../crawl/session/prune-store.ts'
import { deleteOldRevisions, deleteUnusedLists, isPruner, type KeyPosition } from './retention-store.ts'

const PAUSE_MS = 60_000
/** A run that takes long, most of it pauses, is followed by a longer pause: pruning takes a twentieth of one connection's time at the most. */
const PAUSE_PER_RUN = 4
/** Keys are honoured for 24 h (save_checkpoints). */
const KEYS: GrowingTable = { name: 'idempotency_key', keepHours: 24, partitionHours: 6 }
/** Into so many partitions the time is divided for which events are kept: they stay longer by a twelfth at the most. */
const PARTITIONS_OF_EVENTS = 12

export interface RetentionSettings {
  /** So many of the newest revisions of each (user, stream) are kept, however old. At least 1: the newest is never pruned. */
  readonly historyKeepRevisions: number
  /** Revisions younger than this are kept, however many. */
  readonly historyRetentionDays: number
  /** Sessions that ended longer ago are deleted; undefined: none. */
  readonly sessionRetentionDays: number | undefined
}

export interface Pruned {
  readonly revisions: number
  readonly lists: number
  readonly sessions: number
  /** Partitions, each with the keys of some hours. */
  readonly keyPartitions: number
}

/**
 * Deletes what is past its retention, in batches with pauses in between, each committed on its own under an advisory lock; idempotency keys
 * by whole partitions. Where another replica holds the lock it leaves the rest to that one.
 * @param signal ends the run after the batch in hand
 */
export async function runRetentionOnce(
  database: Database,
  settings: RetentionSettings,
  signal?: AbortSignal,
): Promise<Pruned> {
  const history = { keepRevisions: settings.historyKeepRevisions, retentionDays: settings.historyRetentionDays }
  return {
    revisions: await inBatches<KeyPosition>((after) => deleteOldRevisions(database, history, after), signal),
    // After the revisions that refer to them.
    lists: await inBatches<string>((after) => deleteUnusedLists(database, after), signal),
    sessions: await deleteOldSessions(database, settings.sessionRetentionDays, signal),
    keyPartitions: await keepPartitions(database, KEYS, signal),
  }
}

function deleteOldSessions(
  database: Database,
  daysAgo: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (daysAgo === undefined) return Promise.resolve(0)
  const old = { completedBefore: { daysAgo }, statuses: undefined, userId: undefined, stream: undefined }
  return inBatches<PrunePosition>((after) => deletePrunable(database, 'all', old, after, isPruner), signal)
}

/** The feed of which retention takes its part. */
export interface PrunedFeed {
  /** For how long events are kept at least. */
  readonly retentionHours: number
  /** Whether the events of a partition were delivered, so that it may go; if so, older cursors are expired from then on. */
  readonly mayRetire: (partition: Partition) => Promise<boolean>
}

/** Prunes again and again; every replica runs one. */
export interface Retention {
  /** Whether the last run failed. */
  readonly isFailing: boolean
  /** Ends after the batch in hand. */
  close(): Promise<void>
}

/**
 * @param pauseMs before the first run, and from one run to the next
 */
export function startRetention(
  database: Database,
  settings: RetentionSettings,
  log: Logger,
  feed: PrunedFeed,
  pauseMs = PAUSE_MS,
): Retention {
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  let failing = false
  let timer = setTimeout(run, pauseMs)

  function run(): void {
    running = prune()
  }

  function pruneFeed(): Promise<number> {
    const { retentionHours, mayRetire } = feed
    const partitionHours = retentionHours / PARTITIONS_OF_EVENTS
    return keepPartitions(
      database,
      { name: 'feed_event', keepHours: retentionHours, partitionHours, mayRetire },
      stopping.signal,
    )
  }

  async function prune(): Promise<void> {
    const startedAt = performance.now()
    try {
      const pruned = await runRetentionOnce(database, settings, stopping.signal)
      const counts = { ...pruned, eventPartitions: await pruneFeed() }
      if (Object.values(counts).some((count) => count > 0)) log.info(counts, 'pruned what was past its retention')
      failing = false
    } catch (error) {
      failing = true
      log.warn({ err: error }, 'pruning failed; it is tried again after a pause')
    }
    if (stopping.signal.aborted) return
    timer = setTimeout(run, Math.max(pauseMs, PAUSE_PER_RUN * (performance.now() - startedAt)))
  }

  return {
    get isFailing() {
      return failing
    },
    async close() {
      stopping.abort()
      clearTimeout(timer)
      await running
    },
  }
}
