import type { Principal } from '../principal.ts'
import type { Saving } from '../checkpoint/service.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import type { Feed } from '../events/feed.ts'
import { sealFeed } from '../events/sealed-feed.ts'
import { createSessionLoaders } from '../session/loaders.ts'
import { createStreamLoaders } from '../stream/loaders.ts'

/** What the process has one of, and every resolver may use. */
export interface Parts extends Saving {
  readonly feed: Feed
  /** How far back the history is promised to reach. */
  readonly historyRetentionDays: number
  /** What the cursors of bound callers are sealed with. */
  readonly sealSecret: Buffer
}

/** What a resolver gets: the process' parts, and this operation's caller and loaders. */
export interface Context extends Parts {
  readonly caller: Principal
  readonly requestId: string
  readonly loaders: {
    readonly checkpoints: ReturnType<typeof createCheckpointLoaders>
    readonly sessions: ReturnType<typeof createSessionLoaders>
    readonly streams: ReturnType<typeof createStreamLoaders>
  }
}

export function createContext(parts: Parts, caller: Principal, requestId: string): Context {
  return {
    ...parts,
    feed: caller.userIds === 'all' ? parts.feed : sealFeed(parts.feed, parts.sealSecret),
    caller,
    requestId,
    loaders: {
      checkpoints: createCheckpointLoaders(parts.database, caller.userIds),
      sessions: createSessionLoaders(parts.database, caller.userIds),
      streams: createStreamLoaders(parts.database, caller.userIds),
    },
  }
}
