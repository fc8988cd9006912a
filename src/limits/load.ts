import type { Logger } from 'pino'
import { overloaded } from '../concurrency/gate.ts'
import type { Fault } from '../errors/fault.ts'

const LOOK_MS = 500
/**
 * We measure with our own timer. perf_hooks' monitorEventLoopDelay loses a delay if it is reset in the late turn before
 * its own timer has run: for a loop that timers delayed by 200 ms each turn it reported 0 (Node 20).
 */
const TICK_MS = 20
/**
 * The average delay of the event loop above which new work is refused. An answer takes some turns of the loop and a
 * refusal two. So beyond this an answer takes seconds, and a refusal still comes within three. The delay must last for
 * two looks in a row, so that one long computation does not count.
 */
const MOST_LAG_MS = 500
const LOOKS_BEYOND = 2
/** Refusals are over, for the log, after this time without one. */
const QUIET_MS = 5_000

/** A queue of limited length. */
export interface Queue {
  readonly waiting: number
  /** How many were refused with OVERLOADED since the start. */
  readonly refused: number
}

export interface LoadState {
  /** The average delay of the event loop over the last half second, milliseconds. */
  readonly lagMs: number
  /** The queues by name. `requests` counts the requests that were refused because of the event loop. */
  readonly queues: Readonly<Record<string, Queue>>
  /** Whether something was refused in the last half second, or would be refused now. */
  readonly isShedding: boolean
}

/** Tells whether the server is overloaded. */
export interface Load {
  /**
   * Why new work is refused now; undefined: it is not. Called before a request is read: a refusal must cost less than
   * an answer.
   */
  readonly findOverload: () => Fault | undefined
  state(): LoadState
  close(): void
}

/**
 * Watches the event loop and the queues. The log has one line when refusals begin and one when they are over; a line
 * for each refusal would be more work.
 */
export function watchLoad(
  queues: Readonly<Record<string, Queue>>,
  log: Logger,
  { lookMs = LOOK_MS, mostLagMs = MOST_LAG_MS, quietMs = QUIET_MS } = {},
): Load {
  let tickedMs = performance.now()
  let lookedMs = tickedMs
  let ticks = 0
  let lateMs = 0
  let lagMs = 0
  let beyond = 0
  let refused = 0
  let seen = 0
  let isRefusing = false
  let episode: { readonly before: number; lastAtMs: number } | undefined

  const all = () => ({ ...queues, requests: { waiting: 0, refused } })
  const isLate = () => beyond >= LOOKS_BEYOND

  function tick(): void {
    const now = performance.now()
    ticks += 1
    lateMs += Math.max(now - tickedMs - TICK_MS, 0)
    tickedMs = now
    if (now - lookedMs < lookMs) return
    lookedMs = now
    look()
  }

  function look(): void {
    lagMs = lateMs / ticks
    ticks = 0
    lateMs = 0
    beyond = lagMs > mostLagMs ? beyond + 1 : 0
    const total = Object.values(all()).reduce((sum, queue) => sum + queue.refused, 0)
    isRefusing = total > seen
    follow(total)
    seen = total
  }

  function follow(total: number): void {
    if (isRefusing) {
      if (!episode) log.warn({ load: describe() }, 'overloaded: some requests are refused with OVERLOADED')
      episode ??= { before: seen, lastAtMs: 0 }
      episode.lastAtMs = performance.now()
    } else if (episode && performance.now() - episode.lastAtMs > quietMs) {
      log.info({ refused: total - episode.before }, 'no longer overloaded: all requests are served again')
      episode = undefined
    }
  }

  function describe() {
    const waiting = Object.entries(queues).map(([name, queue]) => [name, queue.waiting] as const)
    return { lagMs: Math.round(lagMs), waiting: Object.fromEntries(waiting) }
  }

  const ticking = setInterval(tick, TICK_MS)
  return {
    findOverload() {
      if (!isLate()) return undefined
      refused += 1
      return overloaded()
    },
    state: () => ({ lagMs: Math.round(lagMs), queues: all(), isShedding: isRefusing || isLate() }),
    close() {
      clearInterval(ticking)
    },
  }
}
