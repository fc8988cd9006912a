import type { Database } from '../database/database.ts'
import type { Partition } from '../database/partitions.ts'
import type { OutboxLook } from './finality.ts'

interface RecordedEvent {
  readonly eventId: bigint
  readonly occurredAt: Date
  readonly userId: string
  readonly stream: string
}

/** A change of a session. */
export interface SessionRecord extends RecordedEvent {
  readonly topic: 'session'
  readonly kind: string
  readonly sessionId: string
  readonly previousStatus: string | null
  readonly status: string
}

/** A change of a checkpoint. */
export interface CheckpointRecord extends RecordedEvent {
  readonly topic: 'checkpoint'
  readonly kind: string
  readonly version: number
  /** null if it was cleared. */
  readonly lastItemId: string | null
  readonly bookmarksCount: number
  /** The session that wrote it. */
  readonly sessionId: string | null
}

/** A row of crawler.feed_event. The writer's transaction recorded it. */
export type FeedEvent = SessionRecord | CheckpointRecord

const EVENT_COLUMNS =
  'event_id, occurred_at, kind, user_id, stream, session_id, previous_status, status, version, last_item_id, bookmarks_count'
const SERVER_SINCE = 'pg_postmaster_start_time()::text AS server_since'

/** The generation of the outbox, up to which event it has been pruned, and whose server holds it. */
export interface OutboxState {
  /** A cursor of another generation names nothing here. */
  readonly generation: string
  /** Events up to this one may be gone. */
  readonly prunedUpTo: bigint
  /** When the server of the database was started: another server, or a restart, has another time. */
  readonly serverSince: string
}

/** Reads the generation and the pruned events. @throws Error if crawler.feed has no row */
export async function readOutboxState(database: Database): Promise<OutboxState> {
  const [row] = await database.query<{ generation: string; pruned_up_to: string; server_since: string }>({
    name: 'feed_state',
    text: `SELECT generation, pruned_up_to, ${SERVER_SINCE} FROM crawler.feed`,
    values: [],
  })
  if (!row) throw new Error('crawler.feed is empty: run the migrations')
  return { generation: row.generation, prunedUpTo: BigInt(row.pruned_up_to), serverSince: row.server_since }
}

/** The last event ID that was given out, committed or not. A cursor above it is of another database. */
export async function readLastGivenEventId(database: Database): Promise<bigint> {
  const [row] = await database.query<{ last: string | null }>({
    name: 'feed_last_given',
    text: `SELECT pg_sequence_last_value('crawler.feed_event_id') AS last`,
    values: [],
  })
  return BigInt(row?.last ?? 0)
}

/** A look at the outbox and the generation that it saw. If the generation has changed, the reader starts again. */
export interface DatedLook extends OutboxLook, OutboxState {
  /** The event with the highest ID; undefined: there is none. */
  readonly last: FeedEvent | undefined
}

/**
 * Looks at the outbox in one statement. PostgreSQL takes the snapshot before it runs the statement, so the locks are
 * read after it. If nothing is above `position`, nothing can be delayed, and the locks are not read (no writers). A
 * writer holds a RowExclusiveLock. A prepared transaction keeps it, and its virtual transaction ID, until it ends.
 * @param position the last event ID that is known to be final
 * @param known the highest event ID that was seen before
 */
export async function lookAtOutbox(
  database: Database,
  { position, known }: { readonly position: bigint; readonly known: bigint },
): Promise<DatedLook> {
  const [row] = await database.query<LookRow & (EventRow | { readonly event_id: null })>({
    name: 'feed_look',
    text: `SELECT feed.generation, feed.pruned_up_to, feed.final_up_to, ${SERVER_SINCE}, last.*,
        CASE WHEN greatest(event.highest, $2::bigint) > $1::bigint THEN ARRAY(
        SELECT DISTINCT virtualtransaction FROM pg_locks
        WHERE locktype = 'relation' AND relation = 'crawler.feed_event'::regclass AND mode = 'RowExclusiveLock' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) END AS writers
      FROM crawler.feed, (SELECT max(event_id) AS highest FROM crawler.feed_event) AS event
        LEFT JOIN LATERAL (SELECT ${EVENT_COLUMNS} FROM crawler.feed_event WHERE event_id = event.highest) AS last ON true`,
    values: [position, known],
  })
  if (!row) throw new Error('crawler.feed is empty: run the migrations')
  return {
    generation: row.generation,
    prunedUpTo: BigInt(row.pruned_up_to),
    finalUpTo: BigInt(row.final_up_to),
    serverSince: row.server_since,
    highest: BigInt(row.event_id ?? 0),
    last: row.event_id === null ? undefined : toEvent(row),
    writers: row.writers ?? [],
  }
}

interface LookRow {
  readonly generation: string
  readonly pruned_up_to: string
  readonly final_up_to: string
  readonly server_since: string
  readonly writers: string[] | null
}

/**
 * Begins a new generation after this one: cursors of the old one expire, on every replica. Does nothing if somebody has
 * begun one already.
 */
export async function endGeneration(database: Database, generation: string): Promise<void> {
  await database.write(
    {
      name: 'feed_end_generation',
      // A server that was ahead of this database may have stored a higher final_up_to.
      text: `UPDATE crawler.feed SET generation = gen_random_uuid(), started_at = crawler.clock(), final_up_to = pruned_up_to
      WHERE generation = $1`,
      values: [generation],
    },
    () => false,
  )
}

/**
 * Stores up to where the outbox is final, for servers that start later. Never moves back, and does nothing in another
 * generation.
 */
export async function noteFinal(database: Database, generation: string, upTo: bigint): Promise<void> {
  await database.write(
    {
      name: 'feed_note_final',
      text: 'UPDATE crawler.feed SET final_up_to = $2 WHERE generation = $1 AND final_up_to < $2',
      values: [generation, upTo],
    },
    () => false,
  )
}

interface EventRow {
  readonly event_id: string
  readonly occurred_at: Date
  readonly kind: string
  readonly user_id: string
  readonly stream: string
  readonly session_id: string | null
  readonly previous_status: string | null
  readonly status: string | null
  readonly version: number | null
  readonly last_item_id: string | null
  readonly bookmarks_count: number | null
}

/** Events above `after`, up to `upTo`, in order of their IDs. @param limit the most rows to return */
export async function readEvents(
  database: Database,
  { after, upTo, limit }: { readonly after: bigint; readonly upTo: bigint; readonly limit: number },
): Promise<FeedEvent[]> {
  const rows = await database.query<EventRow>({
    name: 'feed_events',
    text: `SELECT ${EVENT_COLUMNS} FROM crawler.feed_event WHERE event_id > $1 AND event_id <= $2 ORDER BY event_id LIMIT $3`,
    values: [after, upTo, limit],
  })
  return rows.map(toEvent)
}

/** The events with these IDs that are there. */
export async function readEventsById(database: Database, ids: readonly bigint[]): Promise<FeedEvent[]> {
  const rows = await database.query<EventRow>({
    name: 'feed_events_by_id',
    text: `SELECT ${EVENT_COLUMNS} FROM crawler.feed_event WHERE event_id = ANY ($1::bigint[])`,
    values: [ids.map(String)],
  })
  return rows.map(toEvent)
}

/**
 * Notes that the events of a partition may be gone, before the partition is dropped, so that readers notice. Does so
 * only if this reader has delivered all of them and no open transaction can still commit one.
 * @param partition one that new events are no longer written to
 * @param position the last event ID that is final and delivered
 * @returns false if the partition has to stay for now
 */
export async function markPruned(database: Database, partition: Partition, position: bigint): Promise<boolean> {
  if (position < partition.endId - 1n && (await hasWriters(database))) return false
  // This statement has a later snapshot than hasWriters, so it sees what those writers committed.
  const rows = await database.write(
    {
      name: 'feed_mark_pruned',
      text: `WITH last AS (SELECT max(event_id) AS id FROM crawler.feed_event WHERE event_id >= $1 AND event_id < $2)
      UPDATE crawler.feed SET pruned_up_to = greatest(pruned_up_to, last.id) FROM last WHERE last.id <= $3 OR last.id IS NULL RETURNING 1`,
      values: [partition.firstId, partition.endId, position],
    },
    () => false,
  )
  return rows.length > 0
}

async function hasWriters(database: Database): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>({
    name: 'feed_has_writers',
    text: `SELECT EXISTS (SELECT FROM pg_locks
        WHERE locktype = 'relation' AND relation = 'crawler.feed_event'::regclass AND mode = 'RowExclusiveLock' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS found`,
    values: [],
  })
  return row?.found ?? true
}

function toEvent(row: EventRow): FeedEvent {
  const recorded = {
    eventId: BigInt(row.event_id),
    occurredAt: row.occurred_at,
    userId: row.user_id,
    stream: row.stream,
  }
  if (row.kind.startsWith('CHECKPOINT_')) {
    return {
      ...recorded,
      topic: 'checkpoint',
      kind: row.kind.slice('CHECKPOINT_'.length),
      version: row.version ?? 0,
      lastItemId: row.last_item_id,
      bookmarksCount: row.bookmarks_count ?? 0,
      sessionId: row.session_id,
    }
  }
  return {
    ...recorded,
    topic: 'session',
    kind: row.kind.slice('SESSION_'.length),
    sessionId: row.session_id ?? '',
    previousStatus: row.previous_status,
    status: row.status ?? '',
  }
}
