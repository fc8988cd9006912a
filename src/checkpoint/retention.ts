import type { Logger } from 'pino'
import { inBatches, MAX_BATCH_SIZE } from '../database/batches.ts'
import type { Database } from '../database/database.ts'
import { deletePrunable, type PrunePosition } from '../session/prune-store.ts'
import { deleteOldKeys, deleteOldRevisions, deleteUnusedLists, isPruner, type KeyPosition } from './retention-store.ts'

const PAUSE_MS = 60_000
/** A run that takes long, most of it pauses, is followed by a longer pause: pruning takes a twentieth of one connection's time at the most. */
const PAUSE_PER_RUN = 4

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
  readonly keys: number
}

/**
 * Deletes what is past its retention, in batches with pauses in between, each committed on its own under an advisory lock. Where another
 * replica holds the lock it leaves the rest to that one.
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
    keys: await inBatches<true>(async () => {
      const count = await deleteOldKeys(database)
      return { count, next: count > 0 || undefined }
    }, signal),
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

/** Prunes again and again; every replica runs one. */
export interface Retention {
  /** Whether the last run failed. */
  readonly isFailing: boolean
  /** Ends after the batch in hand. */
  close(): Promise<void>
}

/**
 * @param pruneEvents removes up to so many events of the feed that are past their retention; answers how many
 * @param pauseMs before the first run, and from one run to the next
 */
export function startRetention(
  database: Database,
  settings: RetentionSettings,
  log: Logger,
  pruneEvents: (limit: number) => Promise<number>,
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
    return inBatches<true>(async () => {
      const count = await pruneEvents(MAX_BATCH_SIZE)
      return { count, next: count === MAX_BATCH_SIZE || undefined }
    }, stopping.signal)
  }

  async function prune(): Promise<void> {
    const startedAt = performance.now()
    try {
      const pruned = await runRetentionOnce(database, settings, stopping.signal)
      const events = await pruneFeed()
      const counts = { ...pruned, events }
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
