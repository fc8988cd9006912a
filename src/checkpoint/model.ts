import { z } from 'zod'
import { DomainError } from '../domain-error.ts'
import { identifierSchema } from '../identifier.ts'
import { streamNameSchema } from '../stream/model.ts'

/** How far the crawls of one (user, stream) got. */
export interface Checkpoint {
  readonly userId: string
  readonly stream: string
  /** The last item processed; column last_tweet_id. */
  readonly lastItemId: string
  readonly lastCrawledAt: Date
  /** Bookmarks processed so far, repeats included. */
  readonly bookmarksCount: number
  readonly createdAt: Date
  readonly updatedAt: Date
  /** null only for the moment before a foreign writer's trigger has made it. */
  readonly state: CheckpointState | null
}

/** What a checkpoint knows beyond the literal columns, and who owns its stream. */
export interface CheckpointState {
  /** 1, 2, 3 ... per (user, stream); survives a clear. */
  readonly version: number
  /** Of the last startSession on the stream. */
  readonly epoch: number
  /** Of the session that wrote the checkpoint last; 0: none. */
  readonly writtenEpoch: number
  /** The session that took the stream last; it may have ended. */
  readonly ownerSessionId: string | null
  readonly pageToken: string | null
  readonly headListId: bigint | null
  readonly anchorListId: bigint | null
  /** The crawl that wrote it has completed. */
  readonly complete: boolean
}

export interface CheckpointKey {
  readonly userId: string
  readonly stream: string
}

export interface RevisionKey extends CheckpointKey {
  readonly version: number
}

export const checkpointKeySchema = z.object({ userId: identifierSchema, stream: streamNameSchema })

/** Nothing was written: somebody changed the checkpoint since it was read. */
export class VersionConflictError extends DomainError {
  readonly code = 'VERSION_CONFLICT'

  /** @param currentVersion 0: there is no checkpoint */
  constructor(readonly currentVersion: number) {
    super(
      currentVersion === 0
        ? 'There is no checkpoint now: read it again, and send expectedVersion 0 to make one.'
        : `The checkpoint is at version ${currentVersion} now: read it again, and decide on what it says.`,
    )
  }
}

/** Nothing was written: the stream asks for growing item IDs. */
export class OrderViolationError extends DomainError {
  readonly code = 'ORDER_VIOLATION'

  constructor(readonly lastItemId: string) {
    super(
      `This stream is configured as ASCENDING and is at ${JSON.stringify(lastItemId)} already: send a later item, or configureStream with NONE.`,
    )
  }
}

/** There has never been a checkpoint of this user and stream. */
export class CheckpointNotFoundError extends DomainError {
  readonly code = 'CHECKPOINT_NOT_FOUND'

  constructor({ userId, stream }: CheckpointKey) {
    super(`There has never been a checkpoint of ${JSON.stringify(userId)} on ${stream}: check both, or save one.`)
  }
}

/** The revision asked for was pruned. */
export class HistoryExpiredError extends DomainError {
  readonly code = 'HISTORY_EXPIRED'

  constructor(readonly oldestVersion: number) {
    super(`That revision is past the retention of the history: the oldest kept is version ${oldestVersion}.`)
  }
}
