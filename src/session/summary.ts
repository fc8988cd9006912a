import { toTime } from '../time-column.ts'
import { type CrawlSession, type SessionStatus, statusFromColumn } from './model.ts'
import type { SessionRow } from './row.ts'

/** What is read of a list's sessions. */
export interface SessionReading {
  /** Those of a summary are 7 of 28. */
  readonly columns: 'summary' | 'all'
  /** Whether their places in the list, of which cursors are made: to write these texts is a seventh of the statement's time. */
  readonly positions: boolean
}

/** What most who list sessions ask for, and what lists are in the order of. */
export type SummaryRow = Pick<
  SessionRow,
  'session_id' | 'user_id' | 'stream' | 'started_at' | 'completed_at' | 'status' | 'bookmarks_processed'
>

export const SUMMARY_COLUMNS =
  's.session_id, s.user_id, s.stream, s.started_at, s.completed_at, s.status, s.bookmarks_processed'

/**
 * A session of whose columns only those of a summary were read, for who asks for no other. To ask it for another is a mistake of ours and an
 * error, never an answer.
 */
export class SummarizedSession implements CrawlSession {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly startedAt: Date
  readonly completedAt: Date | null
  readonly status: SessionStatus
  readonly bookmarksProcessed: number

  constructor(row: SummaryRow) {
    this.sessionId = row.session_id
    this.userId = row.user_id
    this.stream = row.stream
    this.startedAt = toTime(row.started_at)
    this.completedAt = row.completed_at === null ? null : toTime(row.completed_at)
    this.status = statusFromColumn(row.status)
    this.bookmarksProcessed = row.bookmarks_processed
  }

  get directImport() {
    return notRead('directImport')
  }
  get enableSummarization() {
    return notRead('enableSummarization')
  }
  get outputFilePath() {
    return notRead('outputFilePath')
  }
  get errorMessage() {
    return notRead('errorMessage')
  }
  get epoch() {
    return notRead('epoch')
  }
  get leaseSeconds() {
    return notRead('leaseSeconds')
  }
  get leaseExpiresAt() {
    return notRead('leaseExpiresAt')
  }
  get heartbeatAt() {
    return notRead('heartbeatAt')
  }
  get stopRequestedAt() {
    return notRead('stopRequestedAt')
  }
  get rateLimitedUntil() {
    return notRead('rateLimitedUntil')
  }
  get worker() {
    return notRead('worker')
  }
  get endReason() {
    return notRead('endReason')
  }
  get attempt() {
    return notRead('attempt')
  }
  get resumedFrom() {
    return notRead('resumedFrom')
  }
  get commits() {
    return notRead('commits')
  }
  get firstSaveAt() {
    return notRead('firstSaveAt')
  }
  get lastSaveAt() {
    return notRead('lastSaveAt')
  }
  get bookmarksSinceFirstSave() {
    return notRead('bookmarksSinceFirstSave')
  }
  get positionMovedAt() {
    return notRead('positionMovedAt')
  }
  get apiRequests() {
    return notRead('apiRequests')
  }
  get rateLimitHits() {
    return notRead('rateLimitHits')
  }
}

function notRead(name: keyof CrawlSession): never {
  throw new Error(`${name} of a session was asked for and not read: it is in no summary`)
}
