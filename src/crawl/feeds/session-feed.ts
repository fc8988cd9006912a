import { type Principal, reaches } from '../../identity/principal.ts'
import type { Feed } from '../../events/feed.ts'
import type { FeedEvent, SessionRecord } from '../../events/outbox.ts'
import { onePerEvent } from '../../events/one-per-event.ts'
import { FeedWatch } from '../../events/watch.ts'
import { platformOf } from '../../stream/model.ts'
import { type SessionStatus, statusFromColumn } from '../session/model.ts'
import type { SessionFilter } from '../session/filter-store.ts'

export const SESSION_EVENT_KINDS = [
  ...(['STARTED', 'STATUS_CHANGED', 'DELETED', 'STOP_REQUESTED'] as const),
  ...(['STALLED', 'RECOVERED', 'RATE_LIMITED'] as const),
] as const
export type SessionEventKind = (typeof SESSION_EVENT_KINDS)[number]

/** What happened to a session, as it was then. The session itself is read when the event is delivered. */
export interface SessionStatusEvent {
  readonly cursor: string
  readonly kind: SessionEventKind
  readonly occurredAt: Date
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly previousStatus: SessionStatus | null
  readonly status: SessionStatus
}

/** The filters of a feed. Filters by time are left out, because a feed delivers what happens now. */
export type SessionFeedFilter = Pick<SessionFilter, 'userId' | 'stream' | 'platform' | 'statuses'>

/**
 * Everything that happens to a session that the filter matches, in commit order for each session.
 * @param after the cursor to continue after; undefined: begin now
 * @throws Fault as Feed.resolve does
 */
export async function watchSessions(
  feed: Feed,
  caller: Principal,
  filter: SessionFeedFilter,
  after: string | undefined,
): Promise<FeedWatch<SessionStatusEvent>> {
  // Taken now instead of when the first event is asked for, so that the subscriber gets what happens in between.
  const from = after === undefined ? feed.position() : await feed.resolve(after)
  return new FeedWatch(feed, from, (event) =>
    reaches(caller.userIds, event.userId) ? select(feed, event, filter) : undefined,
  )
}

function select(feed: Feed, event: FeedEvent, filter: SessionFeedFilter): SessionStatusEvent | undefined {
  return event.topic === 'session' && matches(event, filter) ? toStatusEvent(feed, event) : undefined
}

const toStatusEvent = onePerEvent((feed, event: SessionRecord): SessionStatusEvent | undefined => {
  const kind = SESSION_EVENT_KINDS.find((known) => known === event.kind)
  // A kind of a later version, which this version does not know.
  if (!kind) return undefined
  return {
    cursor: feed.cursor(event),
    kind,
    occurredAt: event.occurredAt,
    sessionId: event.sessionId,
    userId: event.userId,
    stream: event.stream,
    previousStatus: event.previousStatus === null ? null : statusFromColumn(event.previousStatus),
    status: statusFromColumn(event.status),
  }
})

/** A status filter matches the new or the previous status, so that a list sees a session leave. */
function matches(event: SessionRecord, filter: SessionFeedFilter): boolean {
  if (filter.userId !== undefined && filter.userId !== event.userId) return false
  if (filter.stream !== undefined && filter.stream !== event.stream) return false
  if (filter.platform && filter.platform !== platformOf(event.stream)) return false
  if (!filter.statuses) return true
  return filter.statuses.some((status) => status === event.status || status === event.previousStatus)
}
