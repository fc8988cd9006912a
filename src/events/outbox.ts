import type { Database } from '../database/database.ts'

export type FeedEventKind = 'SESSION_STARTED' | 'SESSION_STATUS_CHANGED' | 'SESSION_DELETED'

/** A row of crawler.feed_event: what a trigger recorded in the writer's transaction. */
export interface FeedEvent {
  readonly eventId: bigint
  readonly occurredAt: Date
  readonly kind: FeedEventKind
  readonly userId: string
  readonly stream: string
  readonly sessionId: string
  readonly previousStatus: string | null
  readonly status: string
}

/** The outbox's generation: a cursor of another one names nothing here. */
export async function readGeneration(database: Database): Promise<string> {
  const [row] = await database.query<{ generation: string }>({
    name: 'feed_generation',
    text: 'SELECT generation FROM crawler.feed',
    values: [],
  })
  if (!row) throw new Error('crawler.feed is empty: run the migrations')
  return row.generation
}

/** The highest event ID that a new snapshot sees. Not final: a lower one may still be uncommitted. */
export async function readHighestEventId(database: Database): Promise<bigint> {
  const [row] = await database.query<{ highest: string }>({
    name: 'feed_highest',
    text: 'SELECT coalesce(max(event_id), 0) AS highest FROM crawler.feed_event',
    values: [],
  })
  return BigInt(row?.highest ?? 0)
}

/** The transactions that have written the outbox and are still open, by their virtual transaction ID (prepared ones too). */
export async function readOpenWriters(database: Database): Promise<readonly string[]> {
  const rows = await database.query<{ writer: string }>({
    name: 'feed_writers',
    text: `SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
      WHERE locktype = 'relation' AND relation = 'crawler.feed_event'::regclass AND mode = 'RowExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    values: [],
  })
  return rows.map(({ writer }) => writer)
}

/** Events above `after`, up to `upTo`, in ID order. @param limit rows at the most */
export async function readEvents(
  database: Database,
  { after, upTo, limit }: { readonly after: bigint; readonly upTo: bigint; readonly limit: number },
): Promise<FeedEvent[]> {
  const rows = await database.query<{
    event_id: string
    occurred_at: Date
    kind: FeedEventKind
    user_id: string
    stream: string
    session_id: string
    previous_status: string | null
    status: string
  }>({
    name: 'feed_events',
    text: `SELECT event_id, occurred_at, kind, user_id, stream, session_id, previous_status, status
      FROM crawler.feed_event WHERE event_id > $1 AND event_id <= $2 ORDER BY event_id LIMIT $3`,
    values: [after, upTo, limit],
  })
  return rows.map((row) => ({
    eventId: BigInt(row.event_id),
    occurredAt: row.occurred_at,
    kind: row.kind,
    userId: row.user_id,
    stream: row.stream,
    sessionId: row.session_id,
    previousStatus: row.previous_status,
    status: row.status,
  }))
}
