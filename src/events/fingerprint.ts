import { createHash } from 'node:crypto'
import type { FeedEvent } from './outbox.ts'

/** 48 bits: a chance of one in 10^14 that another event under the same ID is taken for this one. */
const LENGTH = 8

const known = new WeakMap<FeedEvent, string>()

/**
 * A short text that tells an event from another one with the same ID. A database that lost commits gives the same IDs
 * to other events. Every replica makes the same text of the same row.
 */
export function fingerprintOf(event: FeedEvent): string {
  let text = known.get(event)
  if (text === undefined) {
    const { eventId, occurredAt, userId, stream, topic, kind, sessionId } = event
    const of =
      event.topic === 'session'
        ? [event.previousStatus, event.status]
        : [event.version, event.lastItemId, event.bookmarksCount]
    const row = JSON.stringify([String(eventId), occurredAt.getTime(), userId, stream, topic, kind, sessionId, ...of])
    text = createHash('sha256').update(row).digest('base64url').slice(0, LENGTH)
    known.set(event, text)
  }
  return text
}
