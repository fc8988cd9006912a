import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { judgedAgain } from '../../database/judged-again.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import { checkpointFromJson, type CheckpointJson } from '../checkpoint/row.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'

export type MoveOutcome =
  /** As they are now, or in a dry run as they would be. */
  | { readonly outcome: 'MOVED'; readonly checkpoints: readonly Checkpoint[] }
  | { readonly outcome: 'USER_NOT_FOUND'; readonly userId: string }
  | { readonly outcome: 'CHECKPOINT_NOT_FOUND' }
  | { readonly outcome: 'CHECKPOINT_EXISTS'; readonly checkpoint: Checkpoint }
  | { readonly outcome: 'STREAM_BUSY'; readonly session: CrawlSession }

export interface Move {
  readonly fromUserId: string
  readonly toUserId: string
  /** undefined: all streams. */
  readonly stream: string | undefined
  readonly dryRun: boolean
  readonly actor: string
}

interface MovedRow {
  readonly outcome: MoveOutcome['outcome']
  readonly checkpoint: CheckpointJson | null
  readonly session: JsonRow<CrawlSession> | null
  readonly detail: string | null
}

/** Judges and moves in one statement, under the rows' locks: all lists or none. */
export async function moveCheckpointRows(database: Database, reach: Reach, move: Move): Promise<MoveOutcome> {
  const statement = {
    name: 'move_checkpoints',
    text: 'SELECT * FROM crawler.move_checkpoints($1, $2, $3, $4, $5, $6)',
    values: [move.fromUserId, move.toUserId, move.stream ?? null, move.dryRun, move.actor, reachArray(reach)],
  }
  const isNews = (rows: readonly MovedRow[]) => !move.dryRun && rows[0]?.outcome === 'MOVED'
  return toOutcome(await judgedAgain(() => database.write<MovedRow>(statement, isNews)))
}

function toOutcome(rows: readonly MovedRow[]): MoveOutcome {
  const [first] = rows
  switch (first?.outcome) {
    case 'MOVED':
      return {
        outcome: first.outcome,
        checkpoints: rows.map(({ checkpoint }) => checkpointFromJson(required(checkpoint))),
      }
    case 'USER_NOT_FOUND':
      return { outcome: first.outcome, userId: required(first.detail) }
    case 'CHECKPOINT_NOT_FOUND':
      return { outcome: first.outcome }
    case 'CHECKPOINT_EXISTS':
      return { outcome: first.outcome, checkpoint: checkpointFromJson(required(first.checkpoint)) }
    case 'STREAM_BUSY':
      return { outcome: first.outcome, session: sessionColumns.fromJson(required(first.session)) }
    case undefined:
      throw new Error('move_checkpoints answered nothing')
  }
}

function required<Value>(value: Value | null): Value {
  if (value === null) throw new Error('move_checkpoints left out what its outcome promises')
  return value
}
