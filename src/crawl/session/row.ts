import { mapColumns } from '../../database/columns.ts'
import { type CrawlSession, SUMMARY_FIELDS } from './model.ts'

/** The columns of crawler.crawl_session. */
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
  mode: 'mode',
  planReason: 'plan_reason',
  stopReason: 'stop_reason',
  loopHits: 'loop_hits',
  emptySaves: 'empty_saves',
})

export const summaryColumns = sessionColumns.pick(...SUMMARY_FIELDS)

/** What to read of the sessions of a list. */
export interface SessionReading {
  /** A summary has 7 of the 28 columns. */
  readonly columns: 'summary' | 'all'
  /** Whether to read the positions that cursors are made of. That takes a seventh of the statement's time. */
  readonly positions: boolean
}
