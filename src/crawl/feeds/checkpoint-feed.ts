import { type Principal, reaches } from '../../identity/principal.ts'
import type { Feed } from '../../events/feed.ts'
import type { CheckpointRecord, FeedEvent } from '../../events/outbox.ts'
import { onePerEvent } from '../../events/one-per-event.ts'
import { FeedWatch } from '../../events/watch.ts'
import { platformOf } from '../../stream/model.ts'
import type { CheckpointFilter } from '../checkpoint/list-store.ts'

export const CHECKPOINT_EVENT_KINDS = ['SAVED', 'CLEARED', 'ROLLED_BACK', 'PAUSED', 'UNPAUSED'] as const
export type CheckpointEventKind = (typeof CHECKPOINT_EVENT_KINDS)[number]

/** What happened to a checkpoint, as it was then. The checkpoint itself is read when the event is delivered. */
export interface CheckpointEvent {
  readonly cursor: string
  readonly kind: CheckpointEventKind
  readonly occurredAt: Date
  readonly userId: string
  readonly stream: string
  readonly version: number
  /** null: there was no checkpoint. */
  readonly lastItemId: string | null
  readonly bookmarksCount: number
  /** The session that caused it; null: none. */
  readonly sessionId: string | null
}

/** The filters of a feed. Filters by time are left out, because a feed delivers what happens now. */
export type CheckpointFeedFilter = Pick<CheckpointFilter, 'userId' | 'stream' | 'platform'>

/**
 * Every new version and every pause of a checkpoint that the filter matches, in commit order for each checkpoint.
 * @param after the cursor to continue after; undefined: begin now
 * @throws Fault as Feed.resolve does
 */
export async function watchCheckpoints(
  feed: Feed,
  caller: Principal,
  filter: CheckpointFeedFilter,
  after: string | undefined,
): Promise<FeedWatch<CheckpointEvent>> {
  const from = after === undefined ? feed.position() : await feed.resolve(after)
  return new FeedWatch(feed, from, (event) =>
    reaches(caller.userIds, event.userId) ? select(feed, event, filter) : undefined,
  )
}

function select(feed: Feed, event: FeedEvent, filter: CheckpointFeedFilter): CheckpointEvent | undefined {
  return event.topic === 'checkpoint' && matches(event, filter) ? toCheckpointEvent(feed, event) : undefined
}

const toCheckpointEvent = onePerEvent((feed, event: CheckpointRecord): CheckpointEvent | undefined => {
  const kind = CHECKPOINT_EVENT_KINDS.find((known) => known === event.kind)
  // A kind of a later version, which this version does not know.
  if (!kind) return undefined
  const { occurredAt, userId, stream, version, lastItemId, bookmarksCount, sessionId } = event
  return {
    cursor: feed.cursor(event),
    kind,
    occurredAt,
    userId,
    stream,
    version,
    lastItemId,
    bookmarksCount,
    sessionId,
  }
})

function matches(event: CheckpointRecord, filter: CheckpointFeedFilter): boolean {
  if (filter.userId !== undefined && filter.userId !== event.userId) return false
  if (filter.stream !== undefined && filter.stream !== event.stream) return false
  return !filter.platform || filter.platform === platformOf(event.stream)
}
