import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { coalesce } from './coalesce.ts'
import { Fault } from '../fault.ts'
import { decodeFeedCursor, encodeFeedCursor } from './cursor.ts'
import {
  type FeedEvent,
  pruneEvents,
  readEvents,
  readHighestEventId,
  readLastGivenEventId,
  readOpenWriters,
  readOutboxState,
} from './outbox.ts'
import { listenForWakeUps } from './wake-up.ts'

const TICK_MS = 1_000
const PAGE_SIZE = 500
/** Kept in memory for those who keep up; a subscriber that falls further behind reads the outbox itself. */
const RECENT_EVENTS = 2_000
const WRITER_POLL_MS = 25
/** Under a storm of writes the outbox is read so often at the most; a lone write is read at once. */
const READ_PAUSE_MS = 10

/** The outbox as an ordered log that only grows by final events. One per process, however many subscribers. */
export interface Feed {
  /** Names the place after an event, for clients; of this generation of the outbox. */
  cursor(eventId: bigint): string
  /**
   * The place that a client's cursor names.
   * @throws Fault BAD_USER_INPUT: it is no cursor; CURSOR_EXPIRED: it is of another generation, or older than what is kept
   */
  resolve(cursor: string): Promise<bigint>
  /** The last final event: everything up to it is committed or never will be. */
  position(): bigint
  /** Final events after `after`, in commit order per session; empty where there are none yet. @param limit events at the most */
  read(after: bigint, limit: number): Promise<readonly FeedEvent[]>
  /** Calls back whenever the position has moved, and when the feed is closed. @returns what takes the listener off again */
  onMove(listener: () => void): () => void
  readonly closed: boolean
  /** Call after a commit that wrote the outbox: this process reads at once, the others are told. */
  announce(): void
  /** Removes up to `limit` events that are older than the retention; answers how many. */
  prune(options: { readonly retentionHours: number; readonly limit: number }): Promise<number>
  close(): Promise<void>
}

/**
 * Starts the reader. IDs are taken before they are committed, so max(id) is never trusted: the reader notes the highest ID it
 * sees, then the transactions that have written the outbox and are still open, and once none of those is open any more,
 * everything up to that ID is final. (A reader that remembered the highest ID got 1,825 of 2,308 events.)
 */
export async function startFeed(database: Database, log: Logger): Promise<Feed> {
  const { generation } = await readOutboxState(database)
  let position = await finalPosition(database, 0n, () => false)
  let recent: FeedEvent[] = []
  let closed = false
  let failing = false
  const listeners = new Set<() => void>()

  function signalMovement(): void {
    for (const listener of listeners) listener()
  }

  async function advance(): Promise<void> {
    const upTo = await finalPosition(database, position, () => closed)
    while (position < upTo && !closed) {
      const events = await readEvents(database, { after: position, upTo, limit: PAGE_SIZE })
      recent = [...recent, ...events].slice(-RECENT_EVENTS)
      position = events.length < PAGE_SIZE ? upTo : (events.at(-1)?.eventId ?? upTo)
      signalMovement()
    }
  }

  const reading = coalesce(async () => {
    if (closed) return
    try {
      await advance()
      if (failing) log.info('the feed reads again')
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'the feed cannot read the outbox; it tries again each second')
      failing = true
    }
  }, READ_PAUSE_MS)

  const wakeUp = listenForWakeUps(database, log, reading.trigger)
  const tick = setInterval(reading.trigger, TICK_MS)

  const cursor = (eventId: bigint) => encodeFeedCursor({ generation, eventId })

  /** Not where the mark is moved meanwhile: pruning never reaches what is younger than the retention. */
  async function requireKept(after: bigint): Promise<void> {
    const { prunedUpTo, generation: current } = await readOutboxState(database)
    if (current !== generation)
      throw expired('the feed began anew (a restored database); restart this server and list again')
    if (after < prunedUpTo) throw expired(`the oldest cursor that works is ${cursor(prunedUpTo)}; list again`)
  }

  return {
    cursor,
    async resolve(text) {
      const named = decodeFeedCursor(text)
      if (!named) {
        throw new Fault(
          'BAD_USER_INPUT',
          'after is no cursor of a feed: send the cursor of an event, or a list’s feedCursor.',
        )
      }
      if (named.generation !== generation) throw expired('it is of another feed (a restored database); list again')
      // Above what was ever given out it can't be of this feed; above this process' position it can, of a replica that is ahead.
      if (named.eventId > position && named.eventId > (await readLastGivenEventId(database))) {
        throw expired('it is ahead of this feed (a restored database); list again')
      }
      await requireKept(named.eventId)
      return named.eventId
    },
    prune: ({ retentionHours, limit }) => pruneEvents(database, { retentionHours, upTo: position, limit }),
    position: () => position,
    onMove(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    get closed() {
      return closed
    },
    async read(after, limit) {
      if (after >= position) return []
      const oldest = recent[0]?.eventId
      if (oldest !== undefined && after >= oldest - 1n) {
        const from = recent.findIndex(({ eventId }) => eventId > after)
        return from === -1 ? [] : recent.slice(from, from + limit)
      }
      const events = await readEvents(database, { after, upTo: position, limit })
      // Asked after the reading: what was pruned before it is seen, and what was pruned during it is missing at worst from the front.
      await requireKept(after)
      return events
    },
    announce() {
      reading.trigger()
      wakeUp.send()
    },
    async close() {
      closed = true
      clearInterval(tick)
      signalMovement()
      await wakeUp.close()
      await reading.settled()
    },
  }
}

/** Each step is a statement, and so a snapshot, of its own: see the rule at startFeed. */
async function finalPosition(database: Database, known: bigint, isClosed: () => boolean): Promise<bigint> {
  const highest = await readHighestEventId(database)
  if (highest <= known) return known
  const writers = new Set(await readOpenWriters(database))
  while (writers.size > 0 && !isClosed()) {
    const open = new Set(await readOpenWriters(database))
    for (const writer of writers) if (!open.has(writer)) writers.delete(writer)
    if (writers.size > 0) await new Promise((resolve) => setTimeout(resolve, WRITER_POLL_MS))
  }
  return isClosed() ? known : highest
}

function expired(why: string): Fault {
  return new Fault('CURSOR_EXPIRED', `This cursor can't be continued from: ${why}.`)
}
