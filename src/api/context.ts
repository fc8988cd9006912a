import type { Saving } from '../crawl/save/service.ts'
import type { Database } from '../database/database.ts'
import type { Feed } from '../events/feed.ts'
import { sealFeed } from '../events/sealed-feed.ts'
import type { Context } from '../graphql/context.ts'
import { Loaders, type LoadersOf } from '../graphql/loaders.ts'
import type { Principal } from '../identity/principal.ts'

/** What exists once in the process, and every resolver may use. */
export interface Parts extends Saving {
  readonly feed: Feed
  readonly loadersOf: LoadersOf
  /** How many days of history are promised. */
  readonly historyRetentionDays: number
  /** Seals the cursors of callers that are bound to some users. */
  readonly sealSecret: Buffer
}

/**
 * Makes the context of one operation.
 * @param openDatabase returns the database with this operation's patience. It is called when the operation first uses
 *   the database; reads that operations share do not use it. Default: the process's database
 * @param lastEventId the cursor after which a feed continues, from the Last-Event-ID header of an event stream
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

/** A class, so that what all operations have in common is not copied for each one (3 % of a read's processor time). */
class OperationContext implements Context {
  readonly caller: Principal
  readonly requestId: string
  readonly loaders: Loaders
  readonly lastEventId: string | undefined
  readonly #parts: Parts
  readonly #openDatabase: () => Database
  #database: Database | undefined
  #ownLoaders: Loaders | undefined

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

  get ownLoaders(): Loaders {
    return (this.#ownLoaders ??= new Loaders(this.database, this.caller.userIds))
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

  get historyRetentionDays() {
    return this.#parts.historyRetentionDays
  }
}
