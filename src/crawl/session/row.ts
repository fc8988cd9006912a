import { mapColumns } from '../../database/columns.ts'
import { type CrawlSession, SUMMARY_FIELDS } from './model.ts'

/** Of crawler.crawl_session. */
export const sessionColumns = mapColumns<CrawlSession>({
  sessionId: 'session_id',
  userId: 'user_id',
  stream: 'stream',
  startedAt: { time: 'started_at' },
  completedAt: { time: 'completed_at' },
  status: 'status',
  bookmarksProcessed: 'bookmarks_processed',
  directImport: 'direct_import',
  enableSummarization: 'enable_summarization',
  outputFilePath: 'output_file_path',
  errorMessage: 'error_message',
  epoch: 'epoch',
  leaseSeconds: 'lease_seconds',
  leaseExpiresAt: { time: 'lease_expires_at' },
  heartbeatAt: { time: 'heartbeat_at' },
  stopRequestedAt: { time: 'stop_requested_at' },
  rateLimitedUntil: { time: 'rate_limited_until' },
  worker: 'worker',
  endReason: 'end_reason',
  attempt: 'attempt',
  resumedFrom: 'resumed_from',
  commits: 'commits',
  firstSaveAt: { time: 'first_save_at' },
  lastSaveAt: { time: 'last_save_at' },
  bookmarksSinceFirstSave: 'bookmarks_since_first_save',
  positionMovedAt: { time: 'position_moved_at' },
  apiRequests: 'api_requests',
  rateLimitHits: 'rate_limit_hits',
})

export const summaryColumns = sessionColumns.pick(...SUMMARY_FIELDS)

/** What is read of a list's sessions. */
export interface SessionReading {
  /** Those of a summary are 7 of 28. */
  readonly columns: 'summary' | 'all'
  /** Whether to read their positions, of which cursors are made. That takes a seventh of the statement's time. */
  readonly positions: boolean
}
