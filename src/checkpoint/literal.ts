import { type TimeColumn, toTime } from '../time-column.ts'
import type { Checkpoint, CheckpointState } from './model.ts'

/** The literal columns of a row, as the driver gives it or as to_jsonb gives it. */
export interface LiteralRow {
  readonly user_id: string
  readonly stream: string
  readonly last_tweet_id: string
  readonly last_crawled_at: TimeColumn
  readonly bookmarks_count: number
  readonly created_at: TimeColumn
  readonly updated_at: TimeColumn
}

/** Of crawl_checkpoint AS c. */
export const LITERAL_COLUMNS =
  'c.user_id, c.stream, c.last_tweet_id, c.last_crawled_at, c.bookmarks_count, c.created_at, c.updated_at'

/**
 * A checkpoint whose state was not read, for who asks for none of it. To ask it for its state is a mistake of ours and an error, never an
 * answer.
 */
export class LiteralCheckpoint implements Checkpoint {
  readonly userId: string
  readonly stream: string
  readonly lastItemId: string
  readonly lastCrawledAt: Date
  readonly bookmarksCount: number
  readonly createdAt: Date
  readonly updatedAt: Date

  constructor(row: LiteralRow) {
    this.userId = row.user_id
    this.stream = row.stream
    this.lastItemId = row.last_tweet_id
    this.lastCrawledAt = toTime(row.last_crawled_at)
    this.bookmarksCount = row.bookmarks_count
    this.createdAt = toTime(row.created_at)
    this.updatedAt = toTime(row.updated_at)
  }

  get state(): CheckpointState | null {
    throw new Error('the state of a checkpoint was asked for and not read: it is none of the literal columns')
  }
}
