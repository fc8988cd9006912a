import type { Logger } from 'pino'
import { inBatches } from '../database/batches.ts'
import type { Database } from '../database/database.ts'
import { type GrowingTable, keepPartitions, type Partition } from '../database/partitions.ts'
import { deletePrunable, type PrunePosition } from '../crawl/session/prune-store.ts'
import { readPartitionsOverdue, readSessionsOverdue } from './overdue-store.ts'
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

/** How long ago what is past its retention should have been deleted, as of the last run, seconds. 0: in time. */
export interface Overdue {
  readonly revisions: number
  readonly sessions: number
  readonly keys: number
  readonly events: number
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
  const { overdueRevisions: _, ...pruned } = await sweep(database, settings, signal)
  return { ...pruned, keyPartitions: await keepPartitions(database, KEYS, signal) }
}

/** Takes what saves leave: the lists that nobody saves any more, and what ended. */
async function sweep(database: Database, settings: RetentionSettings, signal: AbortSignal | undefined) {
  const history = { keepRevisions: settings.historyKeepRevisions, retentionDays: settings.historyRetentionDays }
  let overdueRevisions = 0
  const revisions = await inBatches<KeyPosition>(async (after) => {
    const batch = await deleteOldRevisions(database, history, after)
    overdueRevisions = Math.max(overdueRevisions, batch.overdueSeconds)
    return batch
  }, signal)
  return {
    revisions,
    overdueRevisions,
    // After the revisions, which refer to the lists.
    lists: await inBatches<string>((after) => deleteUnusedLists(database, after), signal),
    sessions: await deleteOldSessions(database, settings.sessionRetentionDays, signal),
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

/** The tasks that prune again and again. Every replica runs them. */
export interface Retention {
  /** Whether the last run of one of them failed. */
  readonly isFailing: boolean
  overdue(): Overdue
  /** Ends after the current batch. */
  close(): Promise<void>
}

/**
 * Starts the tasks that prune: one for the partitions, which keep pace with any rate of writes, and one for the rows,
 * which may take long.
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
  const { signal } = stopping
  let overdue: Overdue = { revisions: 0, sessions: 0, keys: 0, events: 0 }
  const events: GrowingTable = {
    name: 'feed_event',
    keepHours: feed.retentionHours,
    partitionHours: feed.retentionHours / PARTITIONS_OF_EVENTS,
    mayRetire: feed.mayRetire,
  }

  async function prunePartitions() {
    const pruned = {
      keyPartitions: await keepPartitions(database, KEYS, signal),
      eventPartitions: await keepPartitions(database, events, signal),
    }
    const keys = await readPartitionsOverdue(database, KEYS)
    overdue = { ...overdue, keys, events: await readPartitionsOverdue(database, events) }
    return pruned
  }

  async function pruneRows() {
    const { overdueRevisions, ...pruned } = await sweep(database, settings, signal)
    const days = settings.sessionRetentionDays
    const sessions = days === undefined ? 0 : await readSessionsOverdue(database, days)
    overdue = { ...overdue, revisions: overdueRevisions, sessions }
    return pruned
  }

  const tasks = [prunePartitions, pruneRows].map((prune) => repeat(prune, log, signal, pauseMs))
  return {
    get isFailing() {
      return tasks.some((task) => task.isFailing)
    },
    overdue: () => overdue,
    async close() {
      stopping.abort()
      await Promise.all(tasks.map((task) => task.close()))
    },
  }
}

interface Task {
  readonly isFailing: boolean
  close(): Promise<void>
}

/** Runs a task again and again, with pauses of at least `pauseMs` and of four times as long as it took. */
function repeat(
  prune: () => Promise<Readonly<Record<string, number>>>,
  log: Logger,
  signal: AbortSignal,
  pauseMs: number,
): Task {
  let failing = false
  let running: Promise<void> | undefined
  let timer = setTimeout(run, pauseMs)

  function run(): void {
    running = runOnce()
  }

  async function runOnce(): Promise<void> {
    const startedAt = performance.now()
    try {
      const counts = await prune()
      if (Object.values(counts).some((count) => count > 0)) log.info(counts, 'pruned what was past its retention')
      failing = false
    } catch (error) {
      failing = true
      log.warn({ err: error }, 'pruning failed; it is tried again after a pause')
    }
    if (signal.aborted) return
    timer = setTimeout(run, Math.max(pauseMs, PAUSE_PER_RUN * (performance.now() - startedAt)))
  }

  return {
    get isFailing() {
      return failing
    },
    async close() {
      clearTimeout(timer)
      await running
    },
  }
}
