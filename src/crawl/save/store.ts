import type { JsonRow } from '../../database/columns.ts'
import type { HistoryRetention } from '../history/retention.ts'
import { type Database, forCaller } from '../../database/database.ts'
import { sqlState } from '../../database/errors.ts'
import { isOneRowsFault } from '../../database/judged-again.ts'
import { Gate, overloaded } from '../../concurrency/gate.ts'
import { Patience } from '../../concurrency/patience.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import { platformOf } from '../../stream/model.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import { checkpointFromJson, type CheckpointJson, literalColumns } from '../checkpoint/row.ts'
import { fingerprintOf, type SaveCommand } from './input.ts'

/** The outcome of one save. Only SAVED has written something, now or before under the same key. */
export type SaveOutcome =
  | {
      readonly outcome: 'SAVED'
      readonly checkpoint: Checkpoint
      readonly created: boolean
      readonly session: CrawlSession | undefined
      /** Whether it was written before, under the same key. */
      readonly replayed: boolean
    }
  /** A page token was kept for a crawl that has no item yet. */
  | { readonly outcome: 'TOKEN_SAVED'; readonly session: CrawlSession; readonly replayed: boolean }
  | { readonly outcome: 'SESSION_CLOSED' | 'STREAM_BUSY'; readonly session: CrawlSession }
  | { readonly outcome: 'STALE_EPOCH'; readonly currentEpoch: number }
  | { readonly outcome: 'VERSION_CONFLICT'; readonly currentVersion: number }
  | { readonly outcome: 'ORDER_VIOLATION'; readonly lastItemId: string }
  | { readonly outcome: 'SESSION_NOT_FOUND' | 'USER_NOT_FOUND' | 'COUNT_OVERFLOW' | 'KEY_REUSED' }

interface OutcomeRow {
  readonly outcome: Exclude<SaveOutcome['outcome'], 'TOKEN_SAVED'> | 'BUSY'
  readonly created: boolean
  readonly checkpoint: CheckpointJson | null
  readonly session: JsonRow<CrawlSession> | null
  readonly detail: number | null
}

/**
 * The most commands in one set. Beyond some hundreds the gain per command is gone, and a set holds its locks until it
 * is done.
 */
export const MAX_SET_SIZE = 1_000
const MAX_ATTEMPTS = 3

/**
 * Makes the function that writes a set of saves in one statement and one transaction. It returns one outcome for each
 * command, in the set's order. Some commands are written alone afterwards: those whose rows another transaction has
 * locked, and each command of a set that failed as a whole. Their outcome is a promise, so that they neither delay nor
 * fail their neighbours. Saves of one key keep their order. A save that has waited too long for the others since it was
 * submitted is OVERLOADED.
 * @param retention which revisions each save leaves of its list; undefined: it deletes none
 */
export function createSaveWriter(
  database: Database,
  retention?: HistoryRetention,
): (
  commands: readonly SaveCommand[],
  untilMs: readonly number[],
) => Promise<readonly (SaveOutcome | Promise<SaveOutcome>)[]> {
  /** Keys of which saves are being written alone. */
  const alone = new Map<string, Gate>()

  async function saveAfterwards(command: SaveCommand, untilMs: number): Promise<SaveOutcome> {
    // Its set was late already. To wait for a lock as well would take too long.
    if (performance.now() > untilMs) throw overloaded()
    const key = keyOf(command)
    const gate = alone.get(key) ?? new Gate({ mostRunning: 1, mostWaiting: MAX_SET_SIZE })
    alone.set(key, gate)
    const patience = new Patience(untilMs - performance.now())
    try {
      return await gate.run(
        () =>
          saveAlone(
            forCaller(database, () => patience),
            command,
            retention,
          ),
        patience,
      )
    } finally {
      if (gate.running === 0) alone.delete(key)
    }
  }

  return async (commands, untilMs) => {
    const together = commands.filter((command) => !alone.has(keyOf(command)))
    const outcomes = new Map<SaveCommand, SaveOutcome>()
    try {
      const written = together.length === 0 ? [] : await saveSet(database, together, retention, { skipBusy: true })
      together.forEach((command, place) => {
        const outcome = written[place]
        if (outcome && outcome !== 'BUSY') outcomes.set(command, outcome)
      })
    } catch (error) {
      if (!isOneRowsFault(error)) throw error
    }
    return commands.map((command, place) => outcomes.get(command) ?? saveAfterwards(command, untilMs[place] ?? 0))
  }
}

/** A user out of reach counts as nobody, so that such a save never waits for the saves of that user. */
function keyOf({ userId, stream, outOfReach }: SaveCommand): string {
  return JSON.stringify([outOfReach ? null : userId, stream])
}

async function saveAlone(
  database: Database,
  command: SaveCommand,
  retention: HistoryRetention | undefined,
): Promise<SaveOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const [outcome] = await saveSet(database, [command], retention, { skipBusy: false })
      if (outcome === undefined || outcome === 'BUSY') throw new Error('save_checkpoints judged nothing')
      return outcome
    } catch (error) {
      // The user was deleted between the statement's look and its write.
      if (sqlState(error) === '23503') return { outcome: 'USER_NOT_FOUND' }
      if (sqlState(error) !== '40P01' || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

/**
 * Saves, and prunes the histories that were written. Only those whose oldest revision is past its retention are looked
 * at: the state that a save answers tells when it was recorded.
 */
const SAVE = `WITH saved AS MATERIALIZED (
    SELECT * FROM crawler.save_checkpoints($1, $2)
  ), bound AS MATERIALIZED (
    SELECT date_trunc('day', crawler.clock() - $4::integer * interval '24 hours', 'UTC') AS day
  ), pruned AS MATERIALIZED (
    SELECT crawler.prune_history(array_agg(s.checkpoint ->> 'user_id'), array_agg(s.checkpoint ->> 'stream'), $3, min(bound.day))
    FROM saved s, bound
    WHERE s.outcome = 'SAVED' AND s.detail IS NULL AND (s.checkpoint #>> '{state,version}')::integer > $3
      AND coalesce((s.checkpoint #>> '{state,oldest_revision_at}')::timestamptz < bound.day, TRUE)
    HAVING count(*) > 0
  )
  SELECT s.outcome, s.created, s.checkpoint, s.session, s.detail FROM saved s LEFT JOIN pruned ON TRUE ORDER BY s.command`

async function saveSet(
  database: Database,
  commands: readonly SaveCommand[],
  retention: HistoryRetention | undefined,
  { skipBusy }: { skipBusy: boolean },
): Promise<(SaveOutcome | 'BUSY')[]> {
  const rows = await database.write<OutcomeRow>(
    {
      name: 'save_checkpoints',
      text: SAVE,
      values: [JSON.stringify(commands.map(toJson)), skipBusy, retention?.keepRevisions, retention?.retentionDays],
    },
    (answered) => answered.some(({ outcome }) => outcome === 'SAVED'),
  )
  return rows.map(toOutcome)
}

function toJson(command: SaveCommand, place: number) {
  return {
    place,
    user_id: command.userId,
    stream: command.stream,
    item_id: command.itemId,
    order_key: command.itemId === undefined ? undefined : platformOf(command.stream).itemIds.orderKey(command.itemId),
    count: command.bookmarksCount,
    addition: command.bookmarksAdded,
    crawled_at: command.crawledAt,
    session_id: command.sessionId,
    page_token: command.pageToken,
    head: command.headItemIds,
    expected_version: command.expectedVersion,
    key: command.idempotencyKey,
    fingerprint: command.idempotencyKey === undefined ? undefined : fingerprintOf(command),
    api_requests: command.metrics?.apiRequests,
    rate_limit_hits: command.metrics?.rateLimitHits,
    rate_limited_until: command.rateLimitedUntil,
    importing: command.importing,
    actor: command.actor,
    out_of_reach: command.outOfReach,
  }
}

function toOutcome({ outcome, created, checkpoint, session, detail }: OutcomeRow): SaveOutcome | 'BUSY' {
  switch (outcome) {
    case 'SAVED': {
      const saver = session ? sessionColumns.fromJson(session) : undefined
      const replayed = detail === 1
      if (!checkpoint) return { outcome: 'TOKEN_SAVED', session: required(saver ?? null), replayed }
      return { outcome, checkpoint: checkpointFromJson(checkpoint), created, session: saver, replayed }
    }
    case 'SESSION_CLOSED':
    case 'STREAM_BUSY':
      return { outcome, session: sessionColumns.fromJson(required(session)) }
    case 'STALE_EPOCH':
      return { outcome, currentEpoch: required(detail) }
    case 'VERSION_CONFLICT':
      return { outcome, currentVersion: required(detail) }
    case 'ORDER_VIOLATION':
      return { outcome, lastItemId: literalColumns.fromJson(required(checkpoint)).lastItemId }
    case 'BUSY':
      return outcome
    case 'SESSION_NOT_FOUND':
    case 'USER_NOT_FOUND':
    case 'COUNT_OVERFLOW':
    case 'KEY_REUSED':
      return { outcome }
  }
}

function required<Value>(value: Value | null): Value {
  if (value === null) throw new Error('save_checkpoints left out what its outcome promises')
  return value
}
