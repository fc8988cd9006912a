import type { Logger } from 'pino'
import { overloaded } from '../concurrency/gate.ts'
import type { Fault } from '../errors/fault.ts'

const LOOK_MS = 500
/**
 * By a timer of ours: perf_hooks' monitorEventLoopDelay forgets a delay where it is reset in the turn that was late before its own timer
 * has run. Of a loop that timers held up for 200 ms a turn it told 0 (Node 20).
 */
const TICK_MS = 20
/**
 * An answer takes some turns of the event loop, a refusal two: beyond this the one comes after seconds, and the other still within
 * three. So late, on average, over two looks in a row: not where it is one long computation.
 */
const MOST_LAG_MS = 500
const LOOKS_BEYOND = 2
/** Quiet for so long, shedding is over for the log. */
const QUIET_MS = 5_000

/** Something with a queue that has an end. */
export interface Queue {
  readonly waiting: number
  /** How many were told OVERLOADED so far. */
  readonly refused: number
}

export interface LoadState {
  /** How late the event loop was, on average, over the last half second. */
  readonly lagMs: number
  /** What waits, and what was refused since the start, by queue; `requests` are those refused because of the event loop. */
  readonly queues: Readonly<Record<string, Queue>>
  /** Whether something was refused in the last half second, or would be now. */
  readonly isShedding: boolean
}

/** Whether there is more to do than can be done. */
export interface Load {
  /** Why nothing new is begun now; undefined: it is. Asked before a request is read: refusing must cost less than serving. */
  readonly findOverload: () => Fault | undefined
  state(): LoadState
  close(): void
}

/**
 * Watches the event loop and the queues. The log has a line when shedding begins and one when it is over: a line for each that is
 * refused would be more to do.
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
      if (!episode) log.warn({ load: describe() }, 'more is asked than can be done: some of it is answered OVERLOADED')
      episode ??= { before: seen, lastAtMs: 0 }
      episode.lastAtMs = performance.now()
    } else if (episode && performance.now() - episode.lastAtMs > quietMs) {
      log.info({ refused: total - episode.before }, 'everything that is asked is done again')
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
