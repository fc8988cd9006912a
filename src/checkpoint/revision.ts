/** One change of a checkpoint, by anybody: how it stood from then on. */
export interface CheckpointRevision {
  readonly userId: string
  readonly stream: string
  /** 1, 2, 3 ... per (user, stream), without a gap. */
  readonly version: number
  readonly source: string
  /** Who called; null: EXTERNAL. */
  readonly actor: string | null
  /** null where it was cleared. */
  readonly lastItemId: string | null
  readonly bookmarksCount: number
  /** Growth of the count; shrinking counts 0. */
  readonly bookmarksAdded: number
  readonly pageToken: string | null
  readonly headListId: bigint | null
  readonly anchorListId: bigint | null
  readonly complete: boolean
  readonly sessionId: string | null
  /** 0 where no session wrote it. */
  readonly epoch: number
  readonly recordedAt: Date
}

/** A row as the driver gives it (Date, bigint as text), or as to_jsonb gives it (ISO text, number). */
export interface RevisionRow {
  readonly user_id: string
  readonly stream: string
  readonly version: number
  readonly source: string
  readonly actor: string | null
  readonly last_item_id: string | null
  readonly bookmarks_count: number
  readonly bookmarks_added: number
  readonly page_token: string | null
  readonly head_list_id: string | number | null
  readonly anchor_list_id: string | number | null
  readonly complete: boolean
  readonly session_id: string | null
  readonly epoch: number
  readonly recorded_at: Date | string
}

export const REVISION_COLUMNS =
  'r.user_id, r.stream, r.version, r.source, r.actor, r.last_item_id, r.bookmarks_count, r.bookmarks_added, r.page_token, ' +
  'r.head_list_id, r.anchor_list_id, r.complete, r.session_id, r.epoch, r.recorded_at'

export function toRevision(row: RevisionRow): CheckpointRevision {
  return {
    userId: row.user_id,
    stream: row.stream,
    version: row.version,
    source: row.source,
    actor: row.actor,
    lastItemId: row.last_item_id,
    bookmarksCount: row.bookmarks_count,
    bookmarksAdded: row.bookmarks_added,
    pageToken: row.page_token,
    headListId: row.head_list_id === null ? null : BigInt(row.head_list_id),
    anchorListId: row.anchor_list_id === null ? null : BigInt(row.anchor_list_id),
    complete: row.complete,
    sessionId: row.session_id,
    epoch: row.epoch,
    recordedAt: new Date(row.recorded_at),
  }
}
