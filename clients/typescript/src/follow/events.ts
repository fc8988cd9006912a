import type {
  CheckpointChangesSubscription,
  CheckpointFilter,
  CrawlSessionFilter,
  SessionChangesSubscription,
  SessionFieldsFragment,
} from '../generated/documents.ts'
import type { Checkpoint } from '../session.ts'

/** A session, as a list or a feed shows it. */
export type SessionRow = SessionFieldsFragment
/** `checkpoint` is the row after the change; null: there is none any more. */
export type CheckpointChange = CheckpointChangesSubscription['change']
/** `session` is the row after the change; null: it was deleted. */
export type SessionChange = SessionChangesSubscription['change']
export type { CheckpointFilter, CrawlSessionFilter }

export type FollowEvent<Row, Change> =
  /** Forget the rows that you have: all rows follow. At the start, and where the server could not go on without a gap. */
  | { readonly type: 'reset' }
  | { readonly type: 'row'; readonly row: Row; readonly cursor: null }
  /** All rows were told. From here on keep the cursors. */
  | { readonly type: 'listed'; readonly cursor: string }
  | { readonly type: 'change'; readonly change: Change; readonly cursor: string }

export interface FollowOptions<Filter> {
  /** Which rows and changes. Default: all. Changes are filtered by userId, stream, platform and status only. */
  readonly filter?: Filter | undefined
  /** The last cursor that was kept: only what changed after it is told. Default: all rows first. */
  readonly after?: string | undefined
  /** Ends the loop without an error. */
  readonly signal?: AbortSignal | undefined
}

export type CheckpointFollow = FollowEvent<Checkpoint, CheckpointChange>
export type SessionFollow = FollowEvent<SessionRow, SessionChange>
