export { Waymark } from './waymark.ts'
export type { RequestOptions, TransportOptions as WaymarkOptions } from './transport.ts'
export type { Document } from './typed-document.ts'
export { CheckpointManager, type Revision, type Rollback, type RollbackOptions } from './checkpoint-manager.ts'
export { type Checkpoint, type Metrics, type Plan, type Save, type Saved, Session } from './session.ts'
export type { StartOptions } from './start-session.ts'
export { NeedsAttention, PageTokenRefused, RateLimited } from './platform-signals.ts'
export type {
  CheckpointChange,
  CheckpointFilter,
  CrawlSessionFilter,
  FollowEvent,
  FollowOptions,
  SessionChange,
  SessionRow,
} from './follow/events.ts'
export type { CrawlEvent } from './crawl/events.ts'
export type {
  BusyRule,
  CrawlOptions,
  CrawlReport,
  Page,
  PageRequest,
  ProcessContext,
  SessionReport,
} from './crawl/options.ts'
export {
  BusyError,
  ForbiddenError,
  type InputIssue,
  InvalidInputError,
  LostError,
  OrderViolationError,
  type Owner,
  PausedError,
  UnauthenticatedError,
  UnavailableError,
  VersionConflictError,
  WaymarkError,
} from './errors.ts'
