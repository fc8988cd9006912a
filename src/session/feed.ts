import { Repeater } from '@repeaterjs/repeater'
import { type Caller, requireScope } from '../caller.ts'
import { encodeFeedCursor } from '../events/cursor.ts'
import type { Feed } from '../events/feed.ts'
import type { FeedEvent, FeedEventKind } from '../events/outbox.ts'
import { platformOf } from '../stream/model.ts'
import { type SessionStatus, statusFromColumn } from './model.ts'
import type { SessionFilter } from './store.ts'

export type SessionEventKind = 'STARTED' | 'STATUS_CHANGED' | 'DELETED'

/** What happened to a session, as of then; the session itself is read when the event is delivered. */
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

/** What a subscriber may ask for: times make no sense of a feed, which is about now. */
export type SessionFeedFilter = Pick<SessionFilter, 'userId' | 'stream' | 'platform' | 'statuses'>

/** Events a subscriber takes from the feed at once: what it costs in memory while its client reads nothing. */
const PAGE_SIZE = 100
const RETRY_MS = 1_000

const KINDS: Record<FeedEventKind, SessionEventKind> = {
  SESSION_STARTED: 'STARTED',
  SESSION_STATUS_CHANGED: 'STATUS_CHANGED',
  SESSION_DELETED: 'DELETED',
}

/**
 * Every change of a session's status from now on that the filter matches, in commit order per session.
 * A bare Repeater that awaits each push: an async generator would keep its source open until the next event after its client has gone.
 */
export function watchSessions(feed: Feed, caller: Caller, filter: SessionFeedFilter): Repeater<SessionStatusEvent> {
  requireScope(caller, 'read')
  // Taken now, not when the first event is asked for: what happens in between belongs to this subscriber.
  let position = feed.position()
  return new Repeater(async (push, stop) => {
    let stopped = false
    let wake = () => {}
    const unsubscribe = feed.onMove(() => wake())
    void stop.then(() => {
      stopped = true
      wake()
    })
    const isLive = () => !stopped && !feed.closed
    while (isLive()) {
      let events: readonly FeedEvent[] = []
      let retryMs: number | undefined
      try {
        events = await feed.read(position, PAGE_SIZE)
      } catch {
        // The feed's reader says in the log that the database is away.
        retryMs = RETRY_MS
      }
      for (const event of events) {
        if (!isLive()) break
        position = event.eventId
        if (matches(event, filter)) await push(toSessionEvent(feed, event))
      }
      if (events.length > 0 || !isLive()) continue
      await new Promise<void>((resolve) => {
        const timer = retryMs === undefined ? undefined : setTimeout(resolve, retryMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    unsubscribe()
    stop()
  })
}

/** A status filter matches the new or the previous status, so that a row is seen leaving. */
function matches(event: FeedEvent, filter: SessionFeedFilter): boolean {
  if (filter.userId !== undefined && filter.userId !== event.userId) return false
  if (filter.stream !== undefined && filter.stream !== event.stream) return false
  if (filter.platform && filter.platform !== platformOf(event.stream)) return false
  if (!filter.statuses) return true
  return filter.statuses.some((status) => status === event.status || status === event.previousStatus)
}

function toSessionEvent(feed: Feed, event: FeedEvent): SessionStatusEvent {
  return {
    cursor: encodeFeedCursor({ generation: feed.generation, eventId: event.eventId }),
    kind: KINDS[event.kind],
    occurredAt: event.occurredAt,
    sessionId: event.sessionId,
    userId: event.userId,
    stream: event.stream,
    previousStatus: event.previousStatus === null ? null : statusFromColumn(event.previousStatus),
    status: statusFromColumn(event.status),
  }
}
