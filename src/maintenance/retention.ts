import type { Logger } from 'pino'
import { inBatches } from '../database/batches.ts'
import type { Database } from '../database/database.ts'
import { type GrowingTable, keepPartitions, type Partition } from '../database/partitions.ts'
import { deletePrunable, type PrunePosition } from '../crawl/session/prune-store.ts'
import { deleteOldRevisions, deleteUnusedLists, isPruner, type KeyPosition } from './retention-store.ts'

const PAUSE_MS = 60_000
/**
 * The pause after a run, in multiples of its time. Most of a run is pauses too: pruning takes a twentieth of one
 * connection's time at most.
 */
const PAUSE_PER_RUN = 4
/** Idempotency keys count for 24 h (save_checkpoints). */
const KEYS: GrowingTable = { name: 'idempotency_key', keepHours: 24, partitionHours: 6 }
/** The time for which events are kept is divided into this many partitions: events stay a twelfth longer at most. */
const PARTITIONS_OF_EVENTS = 12

export interface RetentionSettings {
  /**
   * How many of the newest revisions of each user's stream are kept, however old. At least 1: the newest is never
   * pruned.
   */
  readonly historyKeepRevisions: number
  /** Revisions younger than this are kept, however many. */
  readonly historyRetentionDays: number
  /** Sessions that ended longer ago are deleted; undefined: no session is deleted. */
  readonly sessionRetentionDays: number | undefined
}

export interface Pruned {
  readonly revisions: number
  readonly lists: number
  readonly sessions: number
  /** Partitions of idempotency keys. Each holds the keys of some hours. */
  readonly keyPartitions: number
}

/**
 * Deletes what is past its retention time, in batches with pauses in between. Each batch is committed on its own, under
 * an advisory lock. Idempotency keys are deleted by whole partitions. If another replica holds the lock, this one
 * leaves the rest to it.
 * @param signal ends the run after the current batch
 * @returns how many rows and partitions this call deleted
 */
export async function runRetentionOnce(
  database: Database,
  settings: RetentionSettings,
  signal?: AbortSignal,
): Promise<Pruned> {
  const history = { keepRevisions: settings.historyKeepRevisions, retentionDays: settings.historyRetentionDays }
  return {
    revisions: await inBatches<KeyPosition>((after) => deleteOldRevisions(database, history, after), signal),
    // After the revisions, which refer to the lists.
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

/** What retention needs of the feed. */
export interface PrunedFeed {
  /** How long events are kept at least, hours. */
  readonly retentionHours: number
  /**
   * Whether the events of a partition were delivered, so that it may go. If so, older cursors are expired from then on.
   */
  readonly mayRetire: (partition: Partition) => Promise<boolean>
}

/** The task that prunes again and again. Every replica runs one. */
export interface Retention {
  /** Whether the last run failed. */
  readonly isFailing: boolean
  /** Ends after the current batch. */
  close(): Promise<void>
}

/**
 * Starts the task that prunes.
 * @param pauseMs the time before the first run and between two runs, milliseconds
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
