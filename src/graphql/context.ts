import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import type { Feed } from '../events/feed.ts'
import type { Principal } from '../identity/principal.ts'
import type { Loaders } from './loaders.ts'

/**
 * The context of a resolver. A domain whose resolvers need more adds it by declaration merging, beside these resolvers.
 * api/context.ts, which makes the context, then does not compile until it provides that too.
 */
export interface Context {
  readonly caller: Principal
  readonly requestId: string
  /** Its statements end when the operation's time is up. */
  readonly database: Database
  readonly clock: DatabaseClock
  /** The feed as this caller may see it. */
  readonly feed: Feed
  /** Loaders that operations of the same reach share. */
  readonly loaders: Loaders
  /** Loaders of this operation only: counts, whose cost its caller pays. */
  readonly ownLoaders: Loaders
  /**
   * The cursor of the last event that a subscriber got before it reconnected by itself. Overrides its argument `after`.
   */
  readonly lastEventId: string | undefined
}
