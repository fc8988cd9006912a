import { mapColumns } from '../../database/columns.ts'
import type { CheckpointRevision } from '../../database/generated/client.ts'

/** The columns of crawler.checkpoint_revision, for the rows of crawler.rollback_checkpoint. Prisma reads all others. */
export const revisionColumns = mapColumns<CheckpointRevision>({
  userId: 'user_id',
  stream: 'stream',
  version: 'version',
  source: 'source',
  actor: 'actor',
  lastItemId: 'last_item_id',
  bookmarksCount: 'bookmarks_count',
  bookmarksAdded: 'bookmarks_added',
  pageToken: 'page_token',
  headListId: { bigint: 'head_list_id' },
  anchorListId: { bigint: 'anchor_list_id' },
  complete: 'complete',
  fullPass: 'full_pass',
  fullPassHasItem: 'full_pass_has_item',
  catchUpStartedAt: { time: 'catch_up_started_at' },
  catchUpItemId: 'catch_up_item_id',
  catchUpPageToken: 'catch_up_page_token',
  catchUpHeadListId: { bigint: 'catch_up_head_list_id' },
  sessionId: 'session_id',
  epoch: 'epoch',
  recordedAt: { time: 'recorded_at' },
})
