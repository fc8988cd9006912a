import type { CheckpointRevision } from '../../database/generated/client.ts'
import type { Principal } from '../../identity/principal.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError, type InputIssue } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { StreamBusyError } from '../session/model.ts'
import { rollbackCheckpointRow } from './store.ts'
import {
  type Checkpoint,
  CheckpointNotFoundError,
  checkpointKeySchema,
  HistoryExpiredError,
  VersionConflictError,
} from '../checkpoint/model.ts'

export interface RollbackCheckpointInput {
  readonly userId: string
  readonly stream: string
  /** Exactly one of these two. */
  readonly toVersion?: number | null
  readonly toTime?: Date | null
  readonly dryRun?: boolean | null
  readonly expectedVersion?: number | null
}

export interface RolledBackCheckpoint {
  /** As it is now, or in a dry run as it would be; undefined: the target is a clear. */
  readonly checkpoint: Checkpoint | undefined
  readonly target: CheckpointRevision
  /** The new version that the rollback made; undefined: nothing was written. */
  readonly revision: CheckpointRevision | undefined
}

export type RollbackRefusal =
  InvalidInputError | CheckpointNotFoundError | StreamBusyError | VersionConflictError | HistoryExpiredError

/**
 * Restores a checkpoint to what it was at a version or a time, whoever wrote it then.
 * @returns a refusal if the input is invalid, while a session owns the stream, or if the target is not in the history
 */
export async function rollbackCheckpoint(
  database: Database,
  caller: Principal,
  input: RollbackCheckpointInput,
): Promise<RolledBackCheckpoint | RollbackRefusal> {
  const issues = rollbackIssues(input)
  if (issues.length > 0) return new InvalidInputError(issues)
  const key = { userId: input.userId, stream: input.stream }
  const rolledBack = await rollbackCheckpointRow(database, caller.userIds, key, {
    toVersion: input.toVersion ?? undefined,
    toTime: input.toTime ?? undefined,
    dryRun: input.dryRun ?? false,
    expectedVersion: input.expectedVersion ?? undefined,
    actor: caller.subject,
  })
  const refuse = (field: string, message: string) => new InvalidInputError([{ path: ['input', field], message }])
  switch (rolledBack.outcome) {
    case 'ROLLED_BACK':
    case 'DRY_RUN':
    case 'UNCHANGED':
      return rolledBack
    case 'CHECKPOINT_NOT_FOUND':
      return CheckpointNotFoundError.ever(key)
    case 'STREAM_BUSY':
      return new StreamBusyError(rolledBack.session)
    case 'VERSION_CONFLICT':
      return new VersionConflictError(rolledBack.version)
    case 'HISTORY_EXPIRED':
      return new HistoryExpiredError(rolledBack.version)
    case 'VERSION_AHEAD':
      return refuse('toVersion', `is ahead of the current version, ${rolledBack.version}`)
    case 'VERSION_SKIPPED':
      return refuse(
        'toVersion',
        `is a version that never was: a move to this user skipped it. The next one is ${rolledBack.version}; checkpointHistory lists all`,
      )
    case 'BEFORE_HISTORY':
      return refuse('toTime', 'is before the first revision: there was no checkpoint then')
    case 'USER_NOT_FOUND':
      return refuse('userId', 'names a user that is gone, and a checkpoint needs its user: make the user first')
  }
}

function rollbackIssues(input: RollbackCheckpointInput): InputIssue[] {
  const issues = issuesOf(checkpointKeySchema.safeParse({ userId: input.userId, stream: input.stream }), ['input'])
  const report = (field: string, message: string) => issues.push({ path: ['input', field], message })
  const hasVersion = (input.toVersion ?? undefined) !== undefined
  const hasTime = (input.toTime ?? undefined) !== undefined
  if (hasVersion === hasTime) report('toVersion', 'send exactly one of toVersion and toTime')
  if (input.toVersion != null && input.toVersion < 1) report('toVersion', 'must be 1 or above')
  if (input.expectedVersion != null && input.expectedVersion < 0) report('expectedVersion', 'must not be negative')
  return issues
}
