import { type CrawlSession, statusFromColumn } from './model.ts'

/** A row as the driver gives it (Date), or as to_jsonb gives it (ISO text). */
export interface SessionRow {
  readonly session_id: string
  readonly user_id: string
  readonly stream: string
  readonly started_at: Date | string
  readonly completed_at: Date | string | null
  readonly status: string
  readonly bookmarks_processed: number
  readonly direct_import: boolean
  readonly enable_summarization: boolean
  readonly output_file_path: string | null
  readonly error_message: string | null
}

export const SESSION_COLUMNS =
  's.session_id, s.user_id, s.stream, s.started_at, s.completed_at, s.status, s.bookmarks_processed, ' +
  's.direct_import, s.enable_summarization, s.output_file_path, s.error_message'

export function toSession(row: SessionRow): CrawlSession {
  return {
    sessionId: row.session_id,
    userId: row.user_id,
    stream: row.stream,
    startedAt: new Date(row.started_at),
    completedAt: row.completed_at === null ? null : new Date(row.completed_at),
    status: statusFromColumn(row.status),
    bookmarksProcessed: row.bookmarks_processed,
    directImport: row.direct_import,
    enableSummarization: row.enable_summarization,
    outputFilePath: row.output_file_path,
    errorMessage: row.error_message,
  }
}
