import { type TimeColumn, toTime } from '../time-column.ts'
import { type CrawlSession, statusFromColumn } from './model.ts'

/** A row as the driver gives it or as to_jsonb gives it. */
export interface SessionRow {
  readonly session_id: string
  readonly user_id: string
  readonly stream: string
  readonly started_at: TimeColumn
  readonly completed_at: TimeColumn | null
  readonly status: string
  readonly bookmarks_processed: number
  readonly direct_import: boolean
  readonly enable_summarization: boolean
  readonly output_file_path: string | null
  readonly error_message: string | null
  readonly epoch: number
  readonly lease_seconds: number | null
  readonly lease_expires_at: TimeColumn | null
  readonly heartbeat_at: TimeColumn | null
  readonly stop_requested_at: TimeColumn | null
  readonly rate_limited_until: TimeColumn | null
  readonly worker: string | null
  readonly end_reason: string | null
  readonly attempt: number
  readonly resumed_from: string | null
  readonly commits: number
  readonly first_save_at: TimeColumn | null
  readonly last_save_at: TimeColumn | null
  readonly bookmarks_since_first_save: number
  readonly position_moved_at: TimeColumn | null
  readonly api_requests: number
  readonly rate_limit_hits: number
}

export const SESSION_COLUMNS =
  's.session_id, s.user_id, s.stream, s.started_at, s.completed_at, s.status, s.bookmarks_processed, ' +
  's.direct_import, s.enable_summarization, s.output_file_path, s.error_message, s.epoch, s.lease_seconds, s.lease_expires_at, ' +
  's.heartbeat_at, s.stop_requested_at, s.rate_limited_until, s.worker, s.end_reason, s.attempt, s.resumed_from, s.commits, ' +
  's.first_save_at, s.last_save_at, s.bookmarks_since_first_save, s.position_moved_at, s.api_requests, s.rate_limit_hits'

export function toSession(row: SessionRow): CrawlSession {
  return {
    sessionId: row.session_id,
    userId: row.user_id,
    stream: row.stream,
    startedAt: toTime(row.started_at),
    completedAt: toDate(row.completed_at),
    status: statusFromColumn(row.status),
    bookmarksProcessed: row.bookmarks_processed,
    directImport: row.direct_import,
    enableSummarization: row.enable_summarization,
    outputFilePath: row.output_file_path,
    errorMessage: row.error_message,
    epoch: row.epoch,
    leaseSeconds: row.lease_seconds,
    leaseExpiresAt: toDate(row.lease_expires_at),
    heartbeatAt: toDate(row.heartbeat_at),
    stopRequestedAt: toDate(row.stop_requested_at),
    rateLimitedUntil: toDate(row.rate_limited_until),
    worker: row.worker,
    endReason: row.end_reason,
    attempt: row.attempt,
    resumedFrom: row.resumed_from,
    commits: row.commits,
    firstSaveAt: toDate(row.first_save_at),
    lastSaveAt: toDate(row.last_save_at),
    bookmarksSinceFirstSave: row.bookmarks_since_first_save,
    positionMovedAt: toDate(row.position_moved_at),
    apiRequests: row.api_requests,
    rateLimitHits: row.rate_limit_hits,
  }
}

function toDate(value: TimeColumn | null): Date | null {
  return value === null ? null : toTime(value)
}
