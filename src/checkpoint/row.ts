import { type TimeColumn, toTime } from '../time-column.ts'
import type { Checkpoint, CheckpointState } from './model.ts'

/** A row as the driver gives it or as to_jsonb gives it. */
export interface CheckpointRow {
  readonly user_id: string
  readonly stream: string
  readonly last_tweet_id: string
  readonly last_crawled_at: TimeColumn
  readonly bookmarks_count: number
  readonly created_at: TimeColumn
  readonly updated_at: TimeColumn
  readonly state: StateRow | null
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

/** The columns of a CheckpointRow, of crawl_checkpoint AS c and CHECKPOINT_STATE. */
export const CHECKPOINT_COLUMNS =
  'c.user_id, c.stream, c.last_tweet_id, c.last_crawled_at, c.bookmarks_count, c.created_at, c.updated_at, to_jsonb(st) AS state'

export const CHECKPOINT_STATE = 'LEFT JOIN crawler.crawl_state st ON st.user_id = c.user_id AND st.stream = c.stream'

export function toCheckpoint(row: CheckpointRow): Checkpoint {
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
