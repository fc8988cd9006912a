/** The database's time. It follows from this process's clock and a measured offset, so that it costs no round trip. */
export interface LeaseClock {
  now(): Date
  /**
   * How far the lease clock is ahead of it, milliseconds: the steps back that the database's clock has made
   * (crawler.lease_offset). Leases are compared with the lease clock. undefined: none.
   */
  readonly leaseAheadMs?: number
}

/** The time that leases are compared with. */
export function leaseTime(clock: LeaseClock): Date {
  return new Date(clock.now().getTime() + (clock.leaseAheadMs ?? 0))
}

/** A time on the lease clock as clients are shown it: on the database's clock. null stays null. */
export function shownTime(clock: LeaseClock, time: Date | null): Date | null {
  return time === null || !clock.leaseAheadMs ? time : new Date(time.getTime() - clock.leaseAheadMs)
}
