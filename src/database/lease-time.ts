/** The database's time. It follows from this process's clock and a measured offset, so that it costs no round trip. */
export interface LeaseClock {
  now(): Date
  /**
   * How far the lease clock is ahead of it, milliseconds: the steps back that the database's clock has made
   * (crawler.lease_offset). Leases are compared with the lease clock. undefined: none.
   */
  readonly leaseAheadMs?: number
  /** The last outage, as the reaper saw it. undefined, null: none. */
  readonly outage?: LeaseOutage | null
}

/** A time in which nobody could renew a lease. Both ends are on the lease clock. */
export interface LeaseOutage {
  /** A lease that ended later was alive when the outage began. */
  readonly aliveAfter: Date
  /** Such a lease has its whole length from here. */
  readonly aliveAgainAt: Date
}

/** A session's lease, as its row holds it. */
interface StoredLease {
  readonly leaseExpiresAt: Date | null
  readonly leaseSeconds: number | null
  readonly heartbeatAt: Date | null
}

/** The time that leases are compared with. */
export function leaseTime(clock: LeaseClock): Date {
  return new Date(clock.now().getTime() + (clock.leaseAheadMs ?? 0))
}

/** When a lease ends, on the lease clock; null: there is none. In SQL it is crawler.lease_end. */
export function leaseEnd({ outage }: LeaseClock, { leaseExpiresAt, leaseSeconds, heartbeatAt }: StoredLease) {
  if (!leaseExpiresAt || !outage || leaseSeconds === null || leaseExpiresAt <= outage.aliveAfter) return leaseExpiresAt
  if (heartbeatAt && heartbeatAt > outage.aliveAgainAt) return leaseExpiresAt
  return new Date(Math.max(leaseExpiresAt.getTime(), outage.aliveAgainAt.getTime() + leaseSeconds * 1_000))
}

/** When a lease ends as clients are shown it: on the database's clock. */
export function shownLeaseEnd(clock: LeaseClock, lease: StoredLease): Date | null {
  const end = leaseEnd(clock, lease)
  return end === null || !clock.leaseAheadMs ? end : new Date(end.getTime() - clock.leaseAheadMs)
}
