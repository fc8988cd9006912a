import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { isOneRowsFault, judgedAgain } from '../../database/judged-again.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import { platformOf } from '../../stream/model.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import { checkpointFromJson, type CheckpointJson } from '../checkpoint/row.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import type { ImportCheckpointInput } from './input.ts'

export type ImportOutcome =
  | { readonly outcome: 'IMPORTED'; readonly checkpoint: Checkpoint; readonly created: boolean }
  | { readonly outcome: 'STREAM_BUSY'; readonly session: CrawlSession }
  | { readonly outcome: 'USER_NOT_FOUND' }

interface ImportedRow {
  readonly outcome: ImportOutcome['outcome']
  readonly created: boolean
  readonly checkpoint: CheckpointJson | null
  readonly session: JsonRow<CrawlSession> | null
}

/**
 * The most states that one statement writes. It holds the locks of its rows until it is done: a save of one of these
 * lists waits for so many at most.
 */
export const MAX_IMPORT_SET = 200

/**
 * Writes a set of states in one transaction, and answers one outcome for each, in the set's order. If another writer
 * holds a row of it, or deletes a user of it, they are written one by one.
 */
export async function importCheckpointRows(
  database: Database,
  reach: Reach,
  inputs: readonly ImportCheckpointInput[],
  actor: string,
): Promise<ImportOutcome[]> {
  try {
    return await importSet(database, reach, inputs, actor)
  } catch (error) {
    if (inputs.length === 1 || !isOneRowsFault(error)) throw error
  }
  const outcomes: ImportOutcome[] = []
  const faults: unknown[] = []
  for (const input of inputs) {
    try {
      outcomes.push(...(await importSet(database, reach, [input], actor)))
    } catch (error) {
      if (!isOneRowsFault(error)) throw error
      // The others first: one list that is held keeps no other from being written.
      faults.push(error)
    }
  }
  const [fault] = faults
  if (fault instanceof Error) throw fault
  return outcomes
}

async function importSet(
  database: Database,
  reach: Reach,
  inputs: readonly ImportCheckpointInput[],
  actor: string,
): Promise<ImportOutcome[]> {
  const statement = {
    name: 'import_checkpoints',
    text: 'SELECT outcome, created, checkpoint, session FROM crawler.import_checkpoints($1, $2, $3) ORDER BY command',
    values: [JSON.stringify(inputs.map((input, place) => toJson(input, place, actor))), actor, reachArray(reach)],
  }
  const isNews = (rows: readonly ImportedRow[]) => rows.some(({ outcome }) => outcome === 'IMPORTED')
  return (await judgedAgain(() => database.write<ImportedRow>(statement, isNews))).map(toOutcome)
}

function toJson(input: ImportCheckpointInput, place: number, actor: string) {
  const { catchUp } = input
  return {
    place,
    user_id: input.userId,
    stream: input.stream,
    item_id: input.lastItemId,
    order_key: platformOf(input.stream).itemIds.orderKey(input.lastItemId),
    count: input.bookmarksCount,
    crawled_at: input.lastCrawledAt,
    created_at: input.createdAt,
    completed_at: input.lastCompletedAt,
    page_token: input.pageToken,
    head: input.headItemIds,
    anchors: input.anchorItemIds,
    complete: input.complete,
    full_pass: input.fullPass ?? false,
    full_pass_has_item: input.fullPassHasItem ?? false,
    catch_up_started_at: catchUp?.startedAt,
    catch_up_item_id: catchUp?.lastItemId,
    catch_up_page_token: catchUp?.pageToken,
    catch_up_head: catchUp?.headItemIds,
    paused_until: input.pausedUntil,
    pause_reason: input.pauseReason,
    paused_by: input.pausedBy ?? actor,
  }
}

function toOutcome({ outcome, created, checkpoint, session }: ImportedRow): ImportOutcome {
  switch (outcome) {
    case 'IMPORTED':
      return { outcome, checkpoint: checkpointFromJson(required(checkpoint)), created }
    case 'STREAM_BUSY':
      return { outcome, session: sessionColumns.fromJson(required(session)) }
    case 'USER_NOT_FOUND':
      return { outcome }
  }
}

function required<Value>(value: Value | null): Value {
  if (value === null) throw new Error('import_checkpoints left out what its outcome promises')
  return value
}
