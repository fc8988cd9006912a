import type { Database } from './database.ts'
import type { LeaseClock, LeaseOutage } from './lease-time.ts'

/** The database's time, as a process knows it. */
export type DatabaseClock = LeaseClock

/** A clock that is set by measuring. */
export interface MeasuredClock extends DatabaseClock {
  /**
   * Measures the offset again. The true offset is within half a round trip of the measured one.
   * @param leaseAheadMs what it is now; undefined: as before
   */
  measure(leaseAheadMs?: number): Promise<void>
  /** Notes the last outage. */
  noteOutage(outage: LeaseOutage | null): void
}

export function createDatabaseClock(database: Database): MeasuredClock {
  let offsetMs = 0
  let aheadMs = 0
  let lastOutage: LeaseOutage | null = null
  return {
    now: () => new Date(Date.now() + offsetMs),
    get leaseAheadMs() {
      return aheadMs
    },
    get outage() {
      return lastOutage
    },
    noteOutage(outage) {
      lastOutage = outage
    },
    async measure(leaseAheadMs = aheadMs) {
      const sentAt = Date.now()
      const [row] = await database.query<{ now: Date }>({ text: 'SELECT crawler.clock() AS now', values: [] })
      // Both at once: where the database's clock goes back, one falls and the other rises, and leases end as before.
      if (row) offsetMs = row.now.getTime() - (sentAt + Date.now()) / 2
      aheadMs = leaseAheadMs
    },
  }
}

/** How far the lease clock is ahead of the database's clock, milliseconds. */
export async function readLeaseAhead(database: Database): Promise<number> {
  const [row] = await database.query<{ ms: number }>({
    text: 'SELECT extract(epoch FROM crawler.lease_offset())::float8 * 1000 AS ms',
    values: [],
  })
  return row?.ms ?? 0
}
