import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { coalesce } from './coalesce.ts'
import { type FeedEvent, readEvents, readGeneration, readHighestEventId, readOpenWriters } from './outbox.ts'
import { listenForWakeUps } from './wake-up.ts'

const TICK_MS = 1_000
const PAGE_SIZE = 500
/** Kept in memory for those who keep up; a subscriber that falls further behind reads the outbox itself. */
const RECENT_EVENTS = 2_000
const WRITER_POLL_MS = 25

/** The outbox as an ordered log that only grows by final events. One per process, however many subscribers. */
export interface Feed {
  readonly generation: string
  /** The last final event: everything up to it is committed or never will be. */
  position(): bigint
  /** Final events after `after`, in commit order per session; empty where there are none yet. @param limit events at the most */
  read(after: bigint, limit: number): Promise<readonly FeedEvent[]>
  /** Calls back whenever the position has moved, and when the feed is closed. @returns what takes the listener off again */
  onMove(listener: () => void): () => void
  readonly closed: boolean
  /** Call after a commit that wrote the outbox: this process reads at once, the others are told. */
  announce(): void
  close(): Promise<void>
}

/**
 * Starts the reader. IDs are taken before they are committed, so max(id) is never trusted: the reader notes the highest ID it
 * sees, then the transactions that have written the outbox and are still open, and once none of those is open any more,
 * everything up to that ID is final. (A reader that remembered the highest ID got 1,825 of 2,308 events.)
 */
export async function startFeed(database: Database, log: Logger): Promise<Feed> {
  const generation = await readGeneration(database)
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
  })

  const wakeUp = listenForWakeUps(database, log, reading.trigger)
  const tick = setInterval(reading.trigger, TICK_MS)

  return {
    generation,
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
      return readEvents(database, { after, upTo: position, limit })
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
