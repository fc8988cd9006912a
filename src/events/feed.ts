import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Partition } from '../database/partitions.ts'
import { coalesce } from '../concurrency/coalesce.ts'
import { Fault } from '../errors/fault.ts'
import { cursorExpired, decodeFeedCursor, encodeFeedCursor } from './cursor.ts'
import { Finality } from './finality.ts'
import { HoldBackLog, WARN_AFTER_MS } from './hold-back.ts'
import {
  type FeedEvent,
  lookAtOutbox,
  markPruned,
  noteFinal,
  readEvents,
  readLastGivenEventId,
  readOutboxState,
} from './outbox.ts'
import { OutboxPages } from './outbox-pages.ts'
import { RecentEvents } from './recent.ts'
import { listenForWakeUps } from './wake-up.ts'

const TICK_MS = 1_000
const PAGE_SIZE = 500
const RECENT_EVENTS = 2_000
/** Under a storm of writes the outbox is read so often at the most; a lone write is read at once. */
const READ_PAUSE_MS = 10
/** While something is held back it is looked at again so soon, and after long at the tick. */
const MIN_RELOOK_MS = 25
/** So the look comes at most a quarter later than the end of what held the feed back. */
const RELOOK_SHARE = 0.25
/** How long a start waits for the transactions that it finds open. */
const START_WAIT_MS = 5_000
/** So often the position is noted for those that start, where it has moved: within the time for which a start waits. */
const NOTE_EACH_MS = 4_000

/** How far the feed is behind what was written, for GET /ready. */
export interface FeedState {
  /** For how long the oldest open transaction that wrote the outbox has kept events from being delivered; 0: none does. */
  readonly heldBackMs: number
  /** Written and not yet delivered, as of the last look; those rolled back count. */
  readonly lagEvents: number
}

/** The outbox as an ordered log that only grows by final events. One per process, however many subscribers. */
export interface Feed {
  /** Whether its cursors are a caller's own (sealed-feed.ts). */
  readonly isSealed: boolean
  /** UUID of the outbox that is read; another one begins where a restored database was given it (reset.ts). */
  readonly generation: string
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
  /** Whether a partition of the outbox that is old enough may be retired; if so, cursors of before its last event are expired from now on. */
  mayRetire(partition: Partition): Promise<boolean>
  /** Costs no statement. */
  state(): FeedState
  /** Whether the last look at the outbox failed: then the state is as of the last one that didn't. */
  readonly isFailing: boolean
  /** Ends what is being read; takes no longer than one statement may. */
  close(): Promise<void>
}

/** The feed as whoever starts it has it. */
export interface OwnFeed extends Feed {
  /** Reads at once, and tells the other replicas. The feed does so by itself after each write of its database. */
  announce(): void
}

/** Paces of the reader that no setting changes; tests do. */
export interface FeedOptions {
  /** The database for what subscribers cause, as opposed to the feed's own looks. Default: the same. */
  readonly readers?: Database
  /** Runs what a write causes as nobody's work, whoever wrote (tracing). Default: just runs it. */
  readonly alone?: ((run: () => void) => void) | undefined
  readonly startWaitMs?: number
  readonly warnAfterMs?: number
  readonly tickMs?: number
  readonly noteEachMs?: number
}

/**
 * Starts the reader: one look a second, and one whenever it is told of news; a statement each. What a look finds final is read by a
 * second one (500 events each), once for all subscribers, where there are any. What is final: finality.ts. (A reader that remembered the highest ID got
 * 1,825 of 2,308 events.)
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
  let { generation, finality } = await beginGeneration(database, startWaitMs, () => false)
  let position = finality.position
  let noted = { position, atMs: performance.now() }
  let recent = new RecentEvents(position, RECENT_EVENTS)
  let pages = new OutboxPages(readKept)
  let closed = false
  let failing = false
  let relook: NodeJS.Timeout | undefined
  const listeners = new Set<() => void>()
  const holdBackLog = new HoldBackLog(database, log, warnAfterMs)

  function signalMovement(): void {
    for (const listener of listeners) listener()
  }

  async function advance(): Promise<void> {
    const look = await lookAtOutbox(database, { position: finality.position, known: finality.highest })
    if (look.generation !== generation) {
      ;({ generation, finality } = await beginGeneration(database, startWaitMs, () => closed))
      position = finality.position
      noted = { ...noted, position }
      recent = new RecentEvents(position, RECENT_EVENTS)
      pages = new OutboxPages(readKept)
      log.info({ generation }, 'the feed begins anew: cursors of before have expired')
      signalMovement()
      return
    }
    finality.judge(look, performance.now())
    const upTo = finality.position
    if (look.prunedUpTo > position && upTo > position) {
      // This process was cut off for longer than events are kept, or another was faster: its subscribers are told CURSOR_EXPIRED.
      position = look.prunedUpTo < upTo ? look.prunedUpTo : upTo
      recent = new RecentEvents(position, RECENT_EVENTS)
    }
    if (listeners.size === 0 && position < upTo) {
      // Nobody waits for them. Who comes later, and asks for some of these, reads them from the outbox.
      position = upTo
      recent = new RecentEvents(position, RECENT_EVENTS)
    }
    while (position < upTo && !closed) {
      const events = await readEvents(database, { after: position, upTo, limit: PAGE_SIZE })
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
      if (failing) log.info('the feed reads again')
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'the feed cannot read the outbox; it tries again each second')
      failing = true
    }
  }, READ_PAUSE_MS)

  const wakeUp = listenForWakeUps(database, log, reading.trigger)
  const tick = setInterval(reading.trigger, tickMs)
  const announce = () => {
    alone(() => {
      reading.trigger()
      wakeUp.send()
    })
  }
  const stopHearing = database.onNews(announce)

  const cursor = (eventId: bigint) => encodeFeedCursor({ generation, eventId })

  /** Not where the mark is moved meanwhile: pruning never reaches what is younger than the retention. */
  async function requireKept(after: bigint, ofGeneration = generation): Promise<void> {
    const { prunedUpTo, generation: current } = await readOutboxState(readers)
    if (current !== ofGeneration) throw cursorExpired('the feed began anew (a restored database); list again')
    if (after < prunedUpTo) throw cursorExpired(`the oldest cursor that works is ${cursor(prunedUpTo)}; list again`)
  }

  async function readKept(after: bigint, limit: number): Promise<readonly FeedEvent[]> {
    const events = await readEvents(readers, { after, upTo: position, limit })
    // Asked after the reading: what was pruned before it is seen, and what was pruned during it is missing at worst from the front.
    await requireKept(after)
    return events
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
          'after is no cursor of a feed: send the cursor of an event, or a list’s feedCursor.',
        )
      }
      if (named.generation !== generation)
        throw cursorExpired('it is of another feed (a restored database); list again')
      // Above what was ever given out it can't be of this feed; above this process' position it can, of a replica that is ahead.
      if (named.eventId > position && named.eventId > (await readLastGivenEventId(readers))) {
        throw cursorExpired('it is ahead of this feed (a restored database); list again')
      }
      await requireKept(named.eventId, named.generation)
      return named.eventId
    },
    mayRetire: (partition) => markPruned(database, partition, position),
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

/**
 * Finds where a generation of the outbox is final now. A reader that doesn't know what was before it can't tell while a transaction is
 * open that it found so. Such a one seldom lasts longer than the wait; where it does, it begins where another reader has noted that all
 * is final, or, where none ever has, where the outbox was pruned.
 */
async function beginGeneration(
  database: Database,
  waitMs: number,
  isClosed: () => boolean,
): Promise<{ generation: string; finality: Finality }> {
  const { generation, prunedUpTo } = await readOutboxState(database)
  const finality = new Finality(prunedUpTo)
  const deadline = performance.now() + waitMs
  const look = async () => {
    const seen = await lookAtOutbox(database, { position: finality.position, known: finality.highest })
    finality.judge(seen, performance.now())
  }
  await look()
  const atStart = finality.highest
  while (finality.position < atStart && performance.now() < deadline && !isClosed()) {
    await delay(MIN_RELOOK_MS)
    await look()
  }
  return { generation, finality }
}
