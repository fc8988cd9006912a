import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Partition } from '../database/partitions.ts'
import { coalesce } from '../concurrency/coalesce.ts'
import { Fault } from '../errors/fault.ts'
import { cursorExpired, decodeFeedCursor, encodeFeedCursor, type FeedCursor, NEW_GENERATION } from './cursor.ts'
import { DeliveredEvents } from './delivered.ts'
import { fingerprintOf } from './fingerprint.ts'
import { beginGeneration, MIN_RELOOK_MS } from './generation.ts'
import { HoldBackLog, WARN_AFTER_MS } from './hold-back.ts'
import {
  endGeneration,
  type FeedEvent,
  lookAtOutbox,
  markPruned,
  noteFinal,
  readEvents,
  readEventsById,
  readLastGivenEventId,
  readOutboxState,
} from './outbox.ts'
import { OutboxPages } from './outbox-pages.ts'
import { RecentEvents } from './recent.ts'
import { listenForWakeUps } from './wake-up.ts'

const TICK_MS = 1_000
const PAGE_SIZE = 500
const RECENT_EVENTS = 2_000
/** The shortest time between two reads of the outbox under many writes. A single write is read at once. */
const READ_PAUSE_MS = 10
/**
 * The next look comes after this share of the time that the delay has lasted. So the feed notices the end of a delay at
 * most 25 % late.
 */
const RELOOK_SHARE = 0.25
/** How long a start waits for the transactions that are open when it begins. */
const START_WAIT_MS = 5_000
/** How often the position is stored for other servers that start, if it has moved. Less than START_WAIT_MS. */
const NOTE_EACH_MS = 4_000

/** How far delivery is behind the writes. GET /ready reports it. */
export interface FeedState {
  /** How long the oldest open transaction that wrote the outbox has delayed the feed. 0 if none does. */
  readonly heldBackMs: number
  /** Event IDs that were given out and are not delivered yet, as of the last look. IDs that were rolled back count. */
  readonly lagEvents: number
}

/** The outbox as an ordered log of final events. Each process has one, which all subscribers share. */
export interface Feed {
  /** Whether its cursors are encrypted for callers that are limited to some users (sealed-feed.ts). */
  readonly isSealed: boolean
  /**
   * The UUID of the outbox's generation. A new one begins where the database lost events that were delivered: by
   * itself, or by `feed reset` (reset.ts).
   */
  readonly generation: string
  /** The cursor of the place after an event of this generation. @param place the event, or the ID of one */
  cursor(place: FeedEvent | bigint): string
  /**
   * Reads a client's cursor.
   * @returns the ID of the event that it names
   * @throws Fault BAD_USER_INPUT if it is not a cursor; CURSOR_EXPIRED if it is of another generation, older than the
   * retention, or of an event that the database has lost; SERVICE_UNAVAILABLE while that is being found out
   */
  resolve(cursor: string): Promise<bigint>
  /** The ID of the last final event that was read. Everything up to it is committed or never will be. */
  position(): bigint
  /**
   * Final events after `after`, in commit order per session. Empty if there are none yet.
   * @param limit the most events to return
   */
  read(after: bigint, limit: number): Promise<readonly FeedEvent[]>
  /**
   * Calls the listener each time the position moves, and when the feed is closed.
   * @returns a function that removes the listener
   */
  onMove(listener: () => void): () => void
  readonly closed: boolean
  /** Whether the feed no longer needs a partition of the outbox. If so, cursors before its last event expire now. */
  mayRetire(partition: Partition): Promise<boolean>
  /** Sends no statement. */
  state(): FeedState
  /** Whether the last look at the outbox failed. `state()` is then as of the last successful look. */
  readonly isFailing: boolean
  /** Stops reading. Takes at most as long as one statement may take. */
  close(): Promise<void>
}

/** The feed for the code that starts it. */
export interface OwnFeed extends Feed {
  /**
   * Reads the outbox at once and wakes the other replicas. The feed calls it itself after each write of its database.
   */
  announce(): void
}

/** Options of the feed. No setting changes the times; tests do. */
export interface FeedOptions {
  /** The database for reads that subscribers cause. Default: the one that the feed itself reads. */
  readonly readers?: Database
  /** Runs what a write causes outside the writer's trace. Default: runs it as it is. */
  readonly alone?: ((run: () => void) => void) | undefined
  readonly startWaitMs?: number
  readonly warnAfterMs?: number
  readonly tickMs?: number
  readonly noteEachMs?: number
}

/**
 * Starts the reader. It looks at the outbox once a second and after each write that it hears of; a look is one
 * statement. If there are subscribers, a second statement reads the new final events, 500 at most, once for all of
 * them.
 *
 * Events are delivered only when they are final (finality.ts). A reader that only remembered the highest ID missed
 * events: it got 1,825 of 2,308.
 */
export async function startFeed(
  database: Database,
  log: Logger,
  {
    readers = database,
    alone = (run) => {
      run()
    },
    startWaitMs = START_WAIT_MS,
    warnAfterMs = WARN_AFTER_MS,
    tickMs = TICK_MS,
    noteEachMs = NOTE_EACH_MS,
  }: FeedOptions = {},
): Promise<OwnFeed> {
  const delivered = new DeliveredEvents()
  let { generation, finality, serverSince, seen } = await beginGeneration(database, startWaitMs, () => false)
  delivered.note(seen)
  let position = finality.position
  let noted = { position, atMs: performance.now() }
  let recent = new RecentEvents(position, RECENT_EVENTS)
  let pages = new OutboxPages(readKept)
  let closed = false
  let failing = false
  let mayHaveLost = false
  let relook: NodeJS.Timeout | undefined
  const listeners = new Set<() => void>()
  const holdBackLog = new HoldBackLog(database, log, warnAfterMs)

  function signalMovement(): void {
    for (const listener of listeners) listener()
  }

  async function advance(): Promise<void> {
    const look = await lookAtOutbox(database, { position: finality.position, known: finality.highest })
    if (look.generation === generation && (mayHaveLost || look.serverSince !== serverSince)) {
      if (await hasLost()) await endGeneration(database, generation)
      else {
        serverSince = look.serverSince
        mayHaveLost = false
      }
      return advance()
    }
    if (look.generation !== generation) {
      ;({ generation, finality, serverSince, seen } = await beginGeneration(database, startWaitMs, () => closed))
      mayHaveLost = false
      delivered.clear()
      delivered.note(seen)
      position = finality.position
      noted = { ...noted, position }
      recent = new RecentEvents(position, RECENT_EVENTS)
      pages = new OutboxPages(readKept)
      log.info({ generation }, 'the outbox has a new generation: earlier cursors have expired')
      signalMovement()
      return
    }
    if (look.last) delivered.note([look.last])
    finality.judge(look, performance.now())
    const upTo = finality.position
    if (look.prunedUpTo > position && upTo > position) {
      // This process had no database for longer than events are kept, or another replica pruned first. Its subscribers
      // get CURSOR_EXPIRED.
      position = look.prunedUpTo < upTo ? look.prunedUpTo : upTo
      recent = new RecentEvents(position, RECENT_EVENTS)
    }
    if (listeners.size === 0 && position < upTo) {
      // Nobody is subscribed. A later subscriber that asks for these events reads them from the outbox.
      position = upTo
      recent = new RecentEvents(position, RECENT_EVENTS)
    }
    while (position < upTo && !closed) {
      const events = await readEvents(database, { after: position, upTo, limit: PAGE_SIZE })
      delivered.note(events)
      recent.append(events)
      position = events.length < PAGE_SIZE ? upTo : (events.at(-1)?.eventId ?? upTo)
      signalMovement()
    }
    await note(performance.now())
    const held = finality.heldBack(performance.now())
    await holdBackLog.follow(held, lagEvents())
    clearTimeout(relook)
    if (held && !closed) {
      const pauseMs = Math.min(Math.max(held.forMs * RELOOK_SHARE, MIN_RELOOK_MS), TICK_MS)
      relook = setTimeout(reading.trigger, pauseMs)
    }
  }

  /**
   * Whether the database has lost events that this process saw. It can where its server is another one (a failover, a
   * restore), and where it came back after a crash that lost commits (synchronous_commit=off).
   */
  async function hasLost(): Promise<boolean> {
    const kept = await readEventsById(database, delivered.ids())
    // Read after the events: what was pruned meanwhile is not lost.
    const lost = delivered.lost(kept, (await readOutboxState(database)).prunedUpTo)
    if (lost.length === 0) return false
    log.warn(
      { lostEvents: lost.length, firstLost: String(lost[0]), generation },
      'the database lost events that were delivered (a failover or a restore): the feed begins anew, and its subscribers have to list again',
    )
    return true
  }

  async function note(nowMs: number): Promise<void> {
    if (position <= noted.position || nowMs - noted.atMs < noteEachMs || closed) return
    noted = { position, atMs: nowMs }
    await noteFinal(database, generation, position)
  }

  const lagEvents = () => finality.idsAfter(position)

  const reading = coalesce(async () => {
    if (closed) return
    try {
      await advance()
      if (failing) log.info('the feed can read the outbox again')
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'the feed cannot read the outbox; it tries again each second')
      failing = true
      mayHaveLost = true
    }
  }, READ_PAUSE_MS)

  // Of many replicas most have no subscribers at a time. For those the look of each second is enough.
  let missedWakeUp = false
  const hear = () => {
    if (listeners.size > 0) reading.trigger()
    else missedWakeUp = true
  }
  const wakeUp = listenForWakeUps(database, log, { onListening: reading.trigger, onWake: hear })
  const tick = setInterval(reading.trigger, tickMs)
  const announce = () => {
    alone(() => {
      reading.trigger()
      wakeUp.send()
    })
  }
  const stopHearing = database.onNews(announce)

  const cursor = (place: FeedEvent | bigint) =>
    typeof place === 'bigint'
      ? encodeFeedCursor({ generation, eventId: place, fingerprint: delivered.fingerprint(place) })
      : encodeFeedCursor({ generation, eventId: place.eventId, fingerprint: fingerprintOf(place) })

  /**
   * Rejects a place before the last pruned event. A pruning that runs meanwhile does not matter: it removes only events
   * older than the retention.
   */
  async function requireKept(after: bigint, ofGeneration = generation): Promise<void> {
    const { prunedUpTo, generation: current, serverSince: since } = await readOutboxState(readers)
    if (current !== ofGeneration) throw cursorExpired(NEW_GENERATION)
    if (since !== serverSince) {
      reading.trigger()
      // Under many writes it is never settled.
      await Promise.race([reading.settled(), delay(TICK_MS)])
    }
    if (ofGeneration !== generation) throw cursorExpired(NEW_GENERATION)
    if (since !== serverSince) {
      throw new Fault('SERVICE_UNAVAILABLE', 'The database has just been started. Try again in a second.')
    }
    if (after < prunedUpTo) throw cursorExpired(`the oldest cursor that works is ${cursor(prunedUpTo)}; list again`)
  }

  async function readKept(after: bigint, limit: number): Promise<readonly FeedEvent[]> {
    const events = await readEvents(readers, { after, upTo: position, limit })
    // Checked after the read. So events that were pruned before the read cause an error, and a pruning during it can
    // remove only the first ones.
    await requireKept(after)
    delivered.note(events)
    return events
  }

  /** Rejects the place of an event that the database no longer has, or has another event for. */
  async function requireSame({ eventId, fingerprint }: FeedCursor): Promise<void> {
    if (fingerprint === undefined || delivered.fingerprint(eventId) === fingerprint) return
    const [event] = await readEventsById(readers, [eventId])
    if (event && fingerprintOf(event) === fingerprint) return
    // It may have been pruned.
    if (!event && eventId <= (await readOutboxState(readers)).prunedUpTo) return
    throw cursorExpired('the database has lost the event that it names (a failover or a restore); list again')
  }

  return {
    isSealed: false,
    get generation() {
      return generation
    },
    cursor,
    async resolve(text) {
      const named = decodeFeedCursor(text)
      if (!named) {
        throw new Fault(
          'BAD_USER_INPUT',
          'after is not a cursor of a feed: send the cursor of an event, or a list’s feedCursor.',
        )
      }
      if (named.generation !== generation) throw cursorExpired(NEW_GENERATION)
      // An ID above all that were ever given out is not of this feed. An ID above this process's position can be:
      // another replica may be ahead.
      if (named.eventId > position && named.eventId > (await readLastGivenEventId(readers))) {
        throw cursorExpired('it is ahead of this feed (a restored database); list again')
      }
      await requireSame(named)
      await requireKept(named.eventId, named.generation)
      return named.eventId
    },
    mayRetire: (partition) => markPruned(database, partition, position),
    position: () => position,
    onMove(listener) {
      listeners.add(listener)
      if (missedWakeUp) reading.trigger()
      missedWakeUp = false
      return () => listeners.delete(listener)
    },
    get closed() {
      return closed
    },
    async read(after, limit) {
      if (after >= position) return []
      const remembered = recent.read(after, limit)
      if (remembered) return remembered
      return (await pages.read(after)).slice(0, limit)
    },
    announce,
    state: () => ({
      heldBackMs: Math.round(finality.heldBack(performance.now())?.forMs ?? 0),
      lagEvents: lagEvents(),
    }),
    get isFailing() {
      return failing
    },
    async close() {
      closed = true
      stopHearing()
      clearInterval(tick)
      clearTimeout(relook)
      signalMovement()
      await wakeUp.close()
      await reading.settled()
      clearTimeout(relook)
    },
  }
}
