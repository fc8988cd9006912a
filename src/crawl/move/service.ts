import type { Database } from '../../database/database.ts'
import { InvalidInputError, type InputIssue } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { identifierSchema } from '../../identity/identifier.ts'
import type { Principal } from '../../identity/principal.ts'
import { streamNameSchema } from '../../stream/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { type Checkpoint, CheckpointExistsError, CheckpointNotFoundError } from '../checkpoint/model.ts'
import { StreamBusyError } from '../session/model.ts'
import { moveCheckpointRows } from './store.ts'
import { z } from 'zod'

export interface MoveCheckpointInput {
  readonly fromUserId: string
  readonly toUserId: string
  /** Exactly one of these two. */
  readonly stream?: string | null
  readonly allStreams?: boolean | null
  readonly dryRun?: boolean | null
}

export interface MovedCheckpoints {
  readonly fromUserId: string
  /** As they are now, or in a dry run as they would be; in the order of their streams. */
  readonly checkpoints: readonly Checkpoint[]
}

export type MoveRefusal =
  InvalidInputError | UserNotFoundError | CheckpointNotFoundError | StreamBusyError | CheckpointExistsError

const moveSchema = z.object({
  fromUserId: identifierSchema,
  toUserId: identifierSchema,
  stream: streamNameSchema.nullish(),
})

/**
 * Moves the checkpoint of one stream, or of all streams, to another user with its whole state and its pause; all or
 * none. History and sessions stay with the old user.
 * @returns a refusal if the input is invalid, if one of the users is unknown or out of reach, if there is nothing to
 *   move, if the new user has a checkpoint, or while a session owns the list of either
 */
export async function moveCheckpoint(
  database: Database,
  caller: Principal,
  input: MoveCheckpointInput,
): Promise<MovedCheckpoints | MoveRefusal> {
  const issues = moveIssues(input)
  if (issues.length > 0) return new InvalidInputError(issues)
  const { fromUserId, toUserId } = input
  const stream = input.stream ?? undefined
  const moved = await moveCheckpointRows(database, caller.userIds, {
    ...{ fromUserId, toUserId, stream },
    dryRun: input.dryRun ?? false,
    actor: caller.subject,
  })
  switch (moved.outcome) {
    case 'MOVED':
      return { fromUserId, checkpoints: moved.checkpoints }
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(moved.userId)
    case 'CHECKPOINT_NOT_FOUND':
      return CheckpointNotFoundError.now(fromUserId, stream)
    case 'CHECKPOINT_EXISTS':
      return new CheckpointExistsError(moved.checkpoint)
    case 'STREAM_BUSY':
      return new StreamBusyError(moved.session)
  }
}

function moveIssues(input: MoveCheckpointInput): InputIssue[] {
  const issues = issuesOf(moveSchema.safeParse(input), ['input'])
  if (((input.stream ?? undefined) !== undefined) === (input.allStreams ?? false)) {
    issues.push({ path: ['input', 'stream'], message: 'send exactly one of stream and allStreams: true' })
  }
  if (input.fromUserId === input.toUserId) {
    issues.push({ path: ['input', 'toUserId'], message: 'is the same user as fromUserId: name another one' })
  }
  return issues
}
