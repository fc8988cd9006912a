import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import type { Feed } from '../events/feed.ts'
import type { Principal } from '../identity/principal.ts'
import type { Loaders } from './loaders.ts'

/**
 * What a resolver gets. A domain whose resolvers need more adds it here by declaration merging, beside these resolvers;
 * api/context.ts, which makes it, then does not compile until it has that too.
 */
export interface Context {
  readonly caller: Principal
  readonly requestId: string
  /** Waits for this operation only as long as the operation may wait. */
  readonly database: Database
  readonly clock: DatabaseClock
  /** As this caller sees it. */
  readonly feed: Feed
  /** What operations of the same reach read together. */
  readonly loaders: Loaders
  /** What only this operation reads: counts, which its caller pays for. */
  readonly ownLoaders: Loaders
  /** The cursor of the last event that a subscriber has who connected again by itself: goes before its argument `after`. */
  readonly lastEventId: string | undefined
}
