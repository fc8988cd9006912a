import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { reapSessions } from '../crawl/session/store.ts'

const TICK_MS = 1_000

export interface ReaperState {
  /** Sessions that this process has ended. */
  readonly ended: number
  /** Whether the last attempt failed. */
  readonly isFailing: boolean
}

/** Ends sessions whose lease has run out. Every replica runs one; the database lets one at a time work. */
export interface Reaper {
  state(): ReaperState
  close(): Promise<void>
}

export function startReaper(database: Database, log: Logger): Reaper {
  let reaping: Promise<void> | undefined
  let failing = false
  let ended = 0

  async function reap(): Promise<void> {
    try {
      const count = await reapSessions(database)
      ended += count
      if (count > 0) log.info({ count }, 'ended sessions whose lease had run out')
      failing = false
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
      clearInterval(tick)
      await reaping
    },
  }
}
