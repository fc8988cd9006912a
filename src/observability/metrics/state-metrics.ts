import { Counter, Gauge, type Registry } from 'prom-client'
import type { PoolState } from '../../database/database.ts'
import type { FeedState } from '../../events/feed.ts'
import type { LoadState } from '../../limits/load.ts'
import type { HttpState } from '../../http/server.ts'
import type { ReaperState } from '../../maintenance/reaper.ts'
import type { Overdue } from '../../maintenance/retention.ts'
import type { LiveLeases } from '../../crawl/session/store.ts'
import { createFreshValue } from './fresh-value.ts'

/** The values that a scrape reads. Only `leases` sends a statement. */
export interface StateSources {
  readonly http: () => HttpState
  readonly pool: () => PoolState
  readonly feed: () => FeedState & { readonly isFailing: boolean }
  readonly load: () => LoadState
  readonly reaper: () => ReaperState
  readonly retention: () => { readonly isFailing: boolean; readonly overdue: () => Overdue }
  readonly leases: () => Promise<LiveLeases>
}

/** Leases are counted at most once in this time, however many scrapes there are. */
const LEASES_FRESH_MS = 5_000
/** A scrape waits at most this long for the database. */
const LEASES_WAIT_MS = 2_000

/** Adds the gauges and counters that are read at the moment of a scrape. */
export function createStateMetrics(registry: Registry, sources: StateSources): void {
  const registers = [registry]
  new Gauge({
    name: 'waymark_http_connections',
    help: 'Open sockets of clients, including WebSockets.',
    registers,
    collect() {
      this.set(sources.http().connections)
    },
  })
  new Gauge({
    name: 'waymark_websockets',
    help: 'Open WebSockets.',
    registers,
    collect() {
      this.set(sources.http().webSockets)
    },
  })
  new Gauge({
    name: 'waymark_streams',
    help: 'Open subscriptions, by transport.',
    labelNames: ['transport'],
    registers,
    collect() {
      const { sse, websocket } = sources.http().streams
      this.set({ transport: 'sse' }, sse)
      this.set({ transport: 'websocket' }, websocket)
    },
  })
  new Gauge({
    name: 'waymark_pool_connections',
    help: 'Connections to the database that statements share, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const { inUse, idle } = sources.pool()
      this.set({ state: 'in_use' }, inUse)
      this.set({ state: 'idle' }, idle)
    },
  })
  new Gauge({
    name: 'waymark_pool_waiting',
    help: 'Statements and transactions that wait for a connection.',
    registers,
    collect() {
      this.set(sources.pool().waiting)
    },
  })
  new Gauge({
    name: 'waymark_pool_abandoned',
    help: 'Backends of PostgreSQL whose statements got no answer in time and that still run.',
    registers,
    collect() {
      this.set(sources.pool().abandoned)
    },
  })
  new Gauge({
    name: 'waymark_pool_size',
    help: 'The most connections that the pool opens (DATABASE_POOL_SIZE).',
    registers,
    collect() {
      this.set(sources.pool().max)
    },
  })
  new Gauge({
    name: 'waymark_feed_lag_events',
    help: 'Events written and not yet delivered, as of the last look, including rolled back ones.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.feed().lagEvents)
    },
  })
  new Gauge({
    name: 'waymark_feed_held_back_seconds',
    help: 'How long the oldest open transaction that wrote the outbox has delayed the feeds; 0 if none does.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(sources.feed().heldBackMs / 1000)
    },
  })
  new Gauge({
    name: 'waymark_background_failing',
    help: '1 if the last run of a background task failed.',
    aggregator: 'max',
    labelNames: ['task'],
    registers,
    collect() {
      this.set({ task: 'feed' }, Number(sources.feed().isFailing))
      this.set({ task: 'reaper' }, Number(sources.reaper().isFailing))
      this.set({ task: 'retention' }, Number(sources.retention().isFailing))
    },
  })
  new Gauge({
    name: 'waymark_retention_overdue_seconds',
    help: 'How late the oldest row of a kind was, or is, to be deleted by retention, as of its last run; 0: in time.',
    aggregator: 'max',
    labelNames: ['kind'],
    registers,
    collect() {
      const overdue: Readonly<Record<string, number>> = { ...sources.retention().overdue() }
      for (const [kind, seconds] of Object.entries(overdue)) this.set({ kind }, seconds)
    },
  })
  new Counter({
    name: 'waymark_reaper_ended_sessions_total',
    help: 'Sessions that this process ended because their lease had run out.',
    registers,
    collect() {
      this.reset()
      this.inc(sources.reaper().ended)
    },
  })
  createLoadMetrics(registry, sources.load)
  createLeaseMetrics(registry, sources.leases)
}

function createLoadMetrics(registry: Registry, load: () => LoadState): void {
  const registers = [registry]
  new Gauge({
    name: 'waymark_queue_waiting',
    help: 'Statements and saves that wait, by queue; a full queue refuses more.',
    labelNames: ['queue'],
    registers,
    collect() {
      for (const [queue, { waiting }] of Object.entries(load().queues)) this.set({ queue }, waiting)
    },
  })
  new Counter({
    name: 'waymark_queue_refused_total',
    help: 'Refusals with OVERLOADED, by queue; "requests" counts those because the event loop was late.',
    labelNames: ['queue'],
    registers,
    collect() {
      this.reset()
      for (const [queue, { refused }] of Object.entries(load().queues)) this.inc({ queue }, refused)
    },
  })
}

function createLeaseMetrics(registry: Registry, countLeases: () => Promise<LiveLeases>): void {
  const leases = createFreshValue(countLeases, { freshMs: LEASES_FRESH_MS, waitMs: LEASES_WAIT_MS })
  const registers = [registry]
  // NaN without an answer: the last number would look current.
  new Gauge({
    name: 'waymark_leases',
    help: 'Running sessions that hold a lease, in the whole database.',
    aggregator: 'max',
    registers,
    async collect() {
      this.set((await leases())?.count ?? NaN)
    },
  })
  new Gauge({
    name: 'waymark_lease_overdue_seconds',
    help: 'How long the oldest expired lease of a running session has been over; 0 if there is none.',
    aggregator: 'max',
    registers,
    async collect() {
      this.set((await leases())?.overdueSeconds ?? NaN)
    },
  })
  new Gauge({
    name: 'waymark_database_up',
    help: '1 if the database answered this scrape, or one within 5 s before.',
    aggregator: 'min',
    registers,
    async collect() {
      this.set((await leases()) === undefined ? 0 : 1)
    },
  })
}
