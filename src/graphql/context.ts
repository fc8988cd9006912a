import type { Principal, Reach } from '../principal.ts'
import type { Saving } from '../checkpoint/service.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import type { Database } from '../database/database.ts'
import type { Feed } from '../events/feed.ts'
import { sealFeed } from '../events/sealed-feed.ts'
import { createSessionLoaders } from '../session/loaders.ts'
import { createStreamLoaders } from '../stream/loaders.ts'
import { createUserLoaders } from '../user/loaders.ts'

/** What the process has one of, and every resolver may use. */
export interface Parts extends Saving {
  readonly feed: Feed
  readonly loadersOf: LoadersOf
  /** How far back the history is promised to reach. */
  readonly historyRetentionDays: number
  /** What the cursors of bound callers are sealed with. */
  readonly sealSecret: Buffer
}

/** What a resolver gets: the process' parts, and this operation's caller and loaders. */
export interface Context extends Parts {
  readonly caller: Principal
  readonly requestId: string
  readonly loaders: Loaders
  /** The cursor of the last event that a subscriber has who connected again by itself: goes before its argument `after`. */
  readonly lastEventId: string | undefined
}

type Loaders = ReturnType<typeof createLoaders>

function createLoaders(database: Database, reach: Reach) {
  return {
    checkpoints: createCheckpointLoaders(database, reach),
    sessions: createSessionLoaders(database, reach),
    streams: createStreamLoaders(database, reach),
    users: createUserLoaders(database, reach),
  }
}

/** Gives callers of one reach the same loaders, so that their operations share statements; others never meet in one. */
export type LoadersOf = (reach: Reach) => Loaders

export function createLoadersOf(database: Database): LoadersOf {
  const ofAll = createLoaders(database, 'all')
  const ofBound = new WeakMap<ReadonlySet<string>, Loaders>()
  return (reach) => {
    if (reach === 'all') return ofAll
    let loaders = ofBound.get(reach)
    if (!loaders) ofBound.set(reach, (loaders = createLoaders(database, reach)))
    return loaders
  }
}

/**
 * @param openDatabase gives the database as this operation may wait for it; called once it is used: reads that operations share are not
 * part of one. Default: the process' own
 */
export function createContext(
  parts: Parts,
  caller: Principal,
  requestId: string,
  openDatabase: () => Database = () => parts.database,
  lastEventId?: string,
): Context {
  return new OperationContext(parts, caller, requestId, openDatabase, lastEventId)
}

/** A class, so that what all operations have in common isn't copied for each (3 % of a read's processor time). */
class OperationContext implements Context {
  readonly caller: Principal
  readonly requestId: string
  readonly loaders: Loaders
  readonly lastEventId: string | undefined
  readonly #parts: Parts
  readonly #openDatabase: () => Database
  #database: Database | undefined

  constructor(
    parts: Parts,
    caller: Principal,
    requestId: string,
    openDatabase: () => Database,
    lastEventId: string | undefined,
  ) {
    this.caller = caller
    this.requestId = requestId
    this.loaders = parts.loadersOf(caller.userIds)
    this.#parts = parts
    this.#openDatabase = openDatabase
    this.lastEventId = lastEventId
  }

  get database(): Database {
    return (this.#database ??= this.#openDatabase())
  }

  get feed(): Feed {
    const { feed, sealSecret } = this.#parts
    return this.caller.userIds === 'all' ? feed : sealFeed(feed, sealSecret)
  }

  get clock() {
    return this.#parts.clock
  }

  get submitSave() {
    return this.#parts.submitSave
  }

  get loadersOf() {
    return this.#parts.loadersOf
  }

  get historyRetentionDays() {
    return this.#parts.historyRetentionDays
  }

  get sealSecret() {
    return this.#parts.sealSecret
  }
}
