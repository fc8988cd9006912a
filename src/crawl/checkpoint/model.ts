import { z } from 'zod'
import type { Checkpoint as CheckpointColumns, CrawlState } from '../../database/generated/client.ts'
import { DomainError } from '../../errors/domain-error.ts'
import { identifierSchema } from '../../identity/identifier.ts'
import { streamNameSchema } from '../../stream/model.ts'

/** What is known of a checkpoint beyond crawl_checkpoint, and which session owns its stream. */
export type CheckpointState = Pick<
  CrawlState,
  | 'version'
  | 'epoch'
  | 'writtenEpoch'
  | 'ownerSessionId'
  | 'pageToken'
  | 'headListId'
  | 'anchorListId'
  | 'complete'
  | 'fullPass'
  | 'fullPassHasItem'
  | 'lastCompletedAt'
  | 'catchUpStartedAt'
  | 'catchUpItemId'
  | 'catchUpPageToken'
  | 'catchUpHeadListId'
>

/** How far the crawls of one user's stream have got: the columns of crawl_checkpoint, without the state. */
export type LiteralCheckpoint = CheckpointColumns

/** A checkpoint with its state. The state is null only until the trigger for a foreign writer's row has made it. */
export type Checkpoint = LiteralCheckpoint & { state: CheckpointState | null }

/** The crawl of what is above an unfinished crawl's head. */
export interface CatchUp {
  /** null: no item yet. */
  readonly lastItemId: string | null
  readonly pageToken: string | null
  readonly headListId: bigint | null
  readonly startedAt: Date
}

/** The unfinished catch-up of a state or a revision; null: there is none. */
export function catchUpOf(
  of: Pick<CrawlState, 'catchUpStartedAt' | 'catchUpItemId' | 'catchUpPageToken' | 'catchUpHeadListId'> | null,
): CatchUp | null {
  if (!of?.catchUpStartedAt) return null
  return {
    lastItemId: of.catchUpItemId,
    pageToken: of.catchUpPageToken,
    headListId: of.catchUpHeadListId,
    startedAt: of.catchUpStartedAt,
  }
}

export interface CheckpointKey {
  readonly userId: string
  readonly stream: string
}

/**
 * A text for a key, different for different keys. The length shows where the user's ID ends, whatever characters
 * another program wrote into it.
 */
export function textOfKey({ userId, stream }: CheckpointKey): string {
  return `${String(userId.length)} ${userId}${stream}`
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

/** Nothing was written: the stream requires ascending item IDs. */
export class OrderViolationError extends DomainError {
  readonly code = 'ORDER_VIOLATION'

  constructor(readonly lastItemId: string) {
    super(
      `This stream is configured as ASCENDING and is at ${JSON.stringify(lastItemId)} already: send a later item, or configureStream with NONE.`,
    )
  }
}

/** There is no checkpoint of this user and stream. */
export class CheckpointNotFoundError extends DomainError {
  readonly code = 'CHECKPOINT_NOT_FOUND'

  /** Of a rollback: there has never been one. */
  static ever({ userId, stream }: CheckpointKey): CheckpointNotFoundError {
    return new CheckpointNotFoundError(
      `There has never been a checkpoint of ${JSON.stringify(userId)} on ${stream}: check both, or save one.`,
    )
  }

  /** @param stream undefined: on any stream */
  static now(userId: string, stream: string | undefined): CheckpointNotFoundError {
    return new CheckpointNotFoundError(
      `There is no checkpoint of ${JSON.stringify(userId)} on ${stream ?? 'any stream'}: check the user and the stream, and whether it was moved already.`,
    )
  }
}

/** Nothing was written: the new user has a checkpoint on the stream. */
export class CheckpointExistsError extends DomainError {
  readonly code = 'CHECKPOINT_EXISTS'

  constructor(readonly checkpoint: Checkpoint) {
    super(
      `${JSON.stringify(checkpoint.userId)} has a checkpoint on ${checkpoint.stream} already: keep it, or clear it with clearCheckpoint and move then.`,
    )
  }
}

/** The requested revision was pruned. */
export class HistoryExpiredError extends DomainError {
  readonly code = 'HISTORY_EXPIRED'

  constructor(readonly oldestVersion: number) {
    super(`That revision is past the retention of the history: the oldest kept is version ${oldestVersion}.`)
  }
}
