import type { Logger } from 'pino'
import type { MeasuredClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import { reapSessions } from '../crawl/session/store.ts'

const TICK_MS = 1_000

export interface ReaperState {
  /** Sessions that this process has ended. */
  readonly ended: number
  /** Whether the last attempt failed. */
  readonly isFailing: boolean
}

/**
 * Ends sessions whose lease has run out, and tells the feeds which have stalled. Every replica runs one. Those that see
 * that another has just looked do nothing.
 */
export interface Reaper {
  state(): ReaperState
  close(): Promise<void>
}

/** @param clock is measured again when the database's clock has gone back */
export function startReaper(database: Database, log: Logger, clock: MeasuredClock): Reaper {
  let reaping: Promise<void> | undefined
  let failing = false
  let ended = 0
  let closed = false
  // The lease clock at the last look, and when the answer came, in milliseconds of a clock that nobody sets.
  let seen: { readonly leaseSeconds: number; readonly atMs: number } | undefined
  // Replicas that look at the same moment may find one another at work each time. Such a one has not just started.
  let hasLooked = false

  async function reap(): Promise<void> {
    try {
      const unknown = hasLooked ? null : -Infinity
      const expected = seen ? seen.leaseSeconds + (performance.now() - seen.atMs) / 1000 : unknown
      let tick = await reapSessions(database, expected)
      let count = tick.reaped
      while (tick.isFull && !closed) {
        tick = await reapSessions(database, null, true)
        count += tick.reaped
      }
      const { leaseSeconds, leaseAheadMs } = tick
      hasLooked = true
      if (leaseSeconds !== null) {
        seen = { leaseSeconds, atMs: performance.now() }
        clock.noteOutage(tick.outage)
      }
      ended += count
      if (count > 0) log.info({ count }, 'ended sessions whose lease had run out')
      failing = false
      if (leaseAheadMs !== null && leaseAheadMs !== clock.leaseAheadMs) {
        log.warn({ leaseAheadMs }, "the database's clock has gone back; leases end as if it had not")
        await clock.measure(leaseAheadMs)
      }
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'the reaper cannot reach the database; it tries again each second')
      failing = true
    }
    reaping = undefined
  }

  const tick = setInterval(() => {
    reaping ??= reap()
  }, TICK_MS)
  return {
    state: () => ({ ended, isFailing: failing }),
    async close() {
      closed = true
      clearInterval(tick)
      await reaping
    },
  }
}
