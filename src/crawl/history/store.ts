import type { CheckpointRevision } from '../../database/generated/client.ts'
import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { judgedAgain } from '../../database/judged-again.ts'
import { reachArray } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import type { Checkpoint, CheckpointKey } from '../checkpoint/model.ts'
import { revisionColumns } from './revision.ts'
import { checkpointFromJson, type CheckpointJson } from '../checkpoint/row.ts'

/** How many revisions of a checkpoint are stored. */
export async function countRevisions(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
): Promise<number> {
  const [row] = await scan<{ count: number }>(database, {
    name: 'revision_count',
    text: `SELECT count(*)::integer AS count FROM crawler.checkpoint_revision r
      WHERE r.user_id = $1 AND r.stream = $2 AND ($3::text[] IS NULL OR r.user_id = ANY ($3))`,
    values: [userId, stream, reachArray(reach)],
  })
  return row?.count ?? 0
}

export type RollbackOutcome =
  | {
      readonly outcome: 'ROLLED_BACK' | 'DRY_RUN' | 'UNCHANGED'
      /** As it is now, or in a dry run as it would be; undefined: the target is a clear. */
      readonly checkpoint: Checkpoint | undefined
      readonly target: CheckpointRevision
      /** The new version; undefined: nothing was written. */
      readonly revision: CheckpointRevision | undefined
    }
  | { readonly outcome: 'STREAM_BUSY'; readonly session: CrawlSession }
  | {
      readonly outcome: 'VERSION_AHEAD' | 'VERSION_SKIPPED' | 'VERSION_CONFLICT' | 'HISTORY_EXPIRED'
      readonly version: number
    }
  | { readonly outcome: 'CHECKPOINT_NOT_FOUND' | 'BEFORE_HISTORY' | 'USER_NOT_FOUND' }

export interface Rollback {
  /** Exactly one of these two. */
  readonly toVersion: number | undefined
  readonly toTime: Date | undefined
  readonly dryRun: boolean
  readonly expectedVersion: number | undefined
  readonly actor: string
}

/**
 * Judges and rolls back in one statement, under the rows' locks. History is never rewritten: a new version is appended.
 */
export async function rollbackCheckpointRow(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
  rollback: Rollback,
): Promise<RollbackOutcome> {
  return toOutcome(await judgedAgain(() => judge(database, reach, { userId, stream }, rollback)))
}

interface JudgedRow {
  readonly outcome: RollbackOutcome['outcome']
  readonly checkpoint: CheckpointJson | null
  readonly session: JsonRow<CrawlSession> | null
  readonly target: JsonRow<CheckpointRevision> | null
  readonly revision: JsonRow<CheckpointRevision> | null
  readonly detail: number | null
}

async function judge(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
  rollback: Rollback,
): Promise<JudgedRow | undefined> {
  const [row] = await database.write<JudgedRow>({
    name: 'rollback_checkpoint',
    text: 'SELECT * FROM crawler.rollback_checkpoint($1, $2, $3, $4, $5, $6, $7, $8)',
    values: [
      userId,
      stream,
      rollback.toVersion ?? null,
      rollback.toTime ?? null,
      rollback.dryRun,
      rollback.expectedVersion ?? null,
      rollback.actor,
      reachArray(reach),
    ],
  })
  return row
}

function toOutcome(row: JudgedRow | undefined): RollbackOutcome {
  if (!row) throw new Error('rollback_checkpoint answered nothing')
  switch (row.outcome) {
    case 'ROLLED_BACK':
    case 'DRY_RUN':
    case 'UNCHANGED':
      if (!row.target) throw new Error('rollback_checkpoint left out its target')
      return {
        outcome: row.outcome,
        checkpoint: row.checkpoint ? checkpointFromJson(row.checkpoint) : undefined,
        target: revisionColumns.fromJson(row.target),
        revision: row.revision ? revisionColumns.fromJson(row.revision) : undefined,
      }
    case 'STREAM_BUSY':
      if (!row.session) throw new Error('rollback_checkpoint left out the owner')
      return { outcome: row.outcome, session: sessionColumns.fromJson(row.session) }
    case 'VERSION_AHEAD':
    case 'VERSION_SKIPPED':
    case 'VERSION_CONFLICT':
    case 'HISTORY_EXPIRED':
      return { outcome: row.outcome, version: row.detail ?? 0 }
    case 'CHECKPOINT_NOT_FOUND':
    case 'BEFORE_HISTORY':
    case 'USER_NOT_FOUND':
      return { outcome: row.outcome }
  }
}
