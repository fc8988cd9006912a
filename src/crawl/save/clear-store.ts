import type { Database } from '../../database/database.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CrawlSession } from '../session/model.ts'
import type { JsonRow } from '../../database/columns.ts'
import { sessionColumns } from '../session/row.ts'
import type { Checkpoint, CheckpointKey } from '../checkpoint/model.ts'
import { checkpointFromJson, type CheckpointJson } from '../checkpoint/row.ts'

export type ClearOutcome =
  | { readonly outcome: 'CLEARED'; readonly checkpoint: Checkpoint }
  | { readonly outcome: 'NOTHING' | 'SESSION_NOT_FOUND' }
  | { readonly outcome: 'SESSION_CLOSED' | 'STREAM_BUSY'; readonly session: CrawlSession }
  | { readonly outcome: 'STALE_EPOCH'; readonly currentEpoch: number }
  | { readonly outcome: 'VERSION_CONFLICT'; readonly currentVersion: number }

/** Judges and clears in one statement, under the rows' locks. */
export async function clearCheckpointRow(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
  by: { readonly sessionId: string | undefined; readonly expectedVersion: number | undefined; readonly actor: string },
): Promise<ClearOutcome> {
  const [row] = await database.write<{
    outcome: ClearOutcome['outcome']
    checkpoint: CheckpointJson | null
    session: JsonRow<CrawlSession> | null
    detail: number | null
  }>({
    name: 'clear_checkpoint',
    text: 'SELECT * FROM crawler.clear_checkpoint($1, $2, $3, $4, $5, $6)',
    values: [userId, stream, by.sessionId ?? null, by.expectedVersion ?? null, by.actor, reachArray(reach)],
  })
  if (!row) throw new Error('clear_checkpoint answered nothing')
  switch (row.outcome) {
    case 'CLEARED':
      if (!row.checkpoint) break
      return { outcome: row.outcome, checkpoint: checkpointFromJson(row.checkpoint) }
    case 'SESSION_CLOSED':
    case 'STREAM_BUSY':
      if (!row.session) break
      return { outcome: row.outcome, session: sessionColumns.fromJson(row.session) }
    case 'STALE_EPOCH':
      return { outcome: row.outcome, currentEpoch: row.detail ?? 0 }
    case 'VERSION_CONFLICT':
      return { outcome: row.outcome, currentVersion: row.detail ?? 0 }
    case 'NOTHING':
    case 'SESSION_NOT_FOUND':
      return { outcome: row.outcome }
  }
  throw new Error(`clear_checkpoint left out what ${row.outcome} promises`)
}
