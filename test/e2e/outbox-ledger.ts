import { expect } from 'vitest'
import type { feeds, ToldEvent } from '../support/feed-reader.ts'
import { withClient } from '../support/database.ts'
import { eventIdOf, type Habits, type Visit } from './roaming-subscriber.ts'

export type OutboxEvent = Omit<ToldEvent, 'cursor'> & { readonly eventId: bigint }

/** What the outbox holds after a cursor, as the feeds tell it. */
export async function readOutbox(databaseUrl: string, after: string): Promise<readonly OutboxEvent[]> {
  const sql = `SELECT event_id, CASE WHEN kind LIKE 'SESSION_%'
      THEN jsonb_build_object('kind', substr(kind, 9), 'userId', user_id, 'stream', stream, 'sessionId', session_id,
        'previousStatus', upper(previous_status), 'status', upper(status))
      ELSE jsonb_build_object('kind', substr(kind, 12), 'userId', user_id, 'stream', stream, 'version', version,
        'lastItemId', last_item_id, 'bookmarksCount', bookmarks_count) END AS event
    FROM crawler.feed_event WHERE event_id > $1 ORDER BY event_id`
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ event_id: string; event: Omit<OutboxEvent, 'eventId'> }>(sql, [
      String(eventIdOf(after)),
    ])
    return rows.map(({ event_id, event }) => ({ ...event, eventId: BigInt(event_id) }))
  })
}

export function isFor({ feed, filter }: Habits, event: OutboxEvent): boolean {
  const topic: keyof typeof feeds = event.sessionId === undefined ? 'checkpointChanged' : 'sessionStatusChanged'
  const { stream = event.stream, userId = event.userId } = filter ?? {}
  return topic === feed && stream === event.stream && userId === event.userId
}

/**
 * Holds what each connection told to what the outbox holds after the cursor that it went on from, event by event.
 * @returns how many events were told more than once
 */
export function compareVisits(visits: readonly Visit[], expected: readonly OutboxEvent[], start: string): number {
  let reached = eventIdOf(start)
  let retold = 0
  for (const { after, told } of visits) {
    const from = eventIdOf(after)
    expect(from).toBeLessThanOrEqual(reached)
    const first = expected.findIndex(({ eventId }) => eventId > from)
    const held = expected.slice(first, first + told.length)
    expect(told.map(({ cursor, ...event }) => ({ ...event, eventId: eventIdOf(cursor) }))).toEqual(held)
    retold += held.filter(({ eventId }) => eventId <= reached).length
    reached = held.at(-1)?.eventId ?? reached
  }
  expect(reached).toBe(expected.at(-1)?.eventId)
  return retold
}
