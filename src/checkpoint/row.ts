import { toTime } from '../time-column.ts'
import { LITERAL_COLUMNS, LiteralCheckpoint, type LiteralRow } from './literal.ts'
import type { Checkpoint, CheckpointState } from './model.ts'

export interface CheckpointRow extends LiteralRow {
  /** undefined: not read. null: there is none. */
  readonly state?: StateRow | null
}

/** crawler.crawl_state as to_jsonb gives it. */
export interface StateRow {
  readonly version: number
  readonly epoch: number
  readonly written_epoch: number
  readonly owner_session_id: string | null
  readonly page_token: string | null
  readonly head_list_id: number | null
  readonly anchor_list_id: number | null
  readonly complete: boolean
}

/** The columns of a CheckpointRow with its state, of crawl_checkpoint AS c and CHECKPOINT_STATE. */
export const CHECKPOINT_COLUMNS = `${LITERAL_COLUMNS}, to_jsonb(st) AS state`

export const CHECKPOINT_STATE = 'LEFT JOIN crawler.crawl_state st ON st.user_id = c.user_id AND st.stream = c.stream'

/** What is read of checkpoints: their own columns, or crawler.crawl_state too. */
export type CheckpointReading = 'literal' | 'all'

/** What a statement selects and joins to crawl_checkpoint AS c. */
export const READINGS: Readonly<Record<CheckpointReading, { readonly columns: string; readonly join: string }>> = {
  literal: { columns: LITERAL_COLUMNS, join: '' },
  all: { columns: CHECKPOINT_COLUMNS, join: CHECKPOINT_STATE },
}

export function toCheckpoint(row: CheckpointRow): Checkpoint {
  if (row.state === undefined) return new LiteralCheckpoint(row)
  return {
    userId: row.user_id,
    stream: row.stream,
    lastItemId: row.last_tweet_id,
    lastCrawledAt: toTime(row.last_crawled_at),
    bookmarksCount: row.bookmarks_count,
    createdAt: toTime(row.created_at),
    updatedAt: toTime(row.updated_at),
    state: row.state && toState(row.state),
  }
}

function toState(row: StateRow): CheckpointState {
  return {
    version: row.version,
    epoch: row.epoch,
    writtenEpoch: row.written_epoch,
    ownerSessionId: row.owner_session_id,
    pageToken: row.page_token,
    headListId: row.head_list_id === null ? null : BigInt(row.head_list_id),
    anchorListId: row.anchor_list_id === null ? null : BigInt(row.anchor_list_id),
    complete: row.complete,
  }
}
