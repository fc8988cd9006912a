import { type Caller, requireScope } from '../caller.ts'
import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import type { Submit } from '../database/group-commit.ts'
import { InvalidInputError } from '../domain-error.ts'
import { identifierProblem } from '../identifier.ts'
import { issuesOf } from '../input-issues.ts'
import { type CrawlSession, SessionClosedError, SessionNotFoundError } from '../session/model.ts'
import { findSession } from '../session/store.ts'
import { DEFAULT_STREAM } from '../stream/model.ts'
import { UserNotFoundError } from '../user/model.ts'
import {
  type Checkpoint,
  type CheckpointKey,
  checkpointKeySchema,
  saveIssues,
  type SaveCheckpointInput,
  type SaveCommand,
} from './model.ts'
import type { SaveOutcome } from './save-store.ts'
import { deleteCheckpoint } from './store.ts'

/** What the write path needs: one queue of saves for the whole process, so that concurrent requests share a commit. */
export interface Saving {
  readonly database: Database
  readonly clock: DatabaseClock
  readonly submitSave: Submit<SaveCommand, SaveOutcome>
}

export interface SavedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly created: boolean
  /** The named session as this save left it. */
  readonly session: CrawlSession | undefined
}

export type SaveRefusal = InvalidInputError | UserNotFoundError | SessionNotFoundError | SessionClosedError

/**
 * Moves a checkpoint to the last item processed. What it answers is committed and on disk.
 * A refusal has written nothing. A fault (SERVICE_UNAVAILABLE) may have written: a save with bookmarksCount can be sent again safely.
 */
export async function saveCheckpoint(
  saving: Saving,
  caller: Caller,
  input: SaveCheckpointInput,
): Promise<SavedCheckpoint | SaveRefusal> {
  requireScope(caller, 'crawl')
  const path = ['input']
  const sessionId = input.sessionId ?? undefined
  const namesSession = sessionId !== undefined && identifierProblem(sessionId) === undefined
  // Most saves name their stream, and then the session is only judged where it is written, under its row's lock.
  const session = namesSession && !input.stream ? await findSession(saving.database, sessionId) : undefined
  if (namesSession && !input.stream && !session) return new SessionNotFoundError(sessionId)

  const command = toCommand(input, input.stream ?? session?.stream ?? DEFAULT_STREAM)
  const issues = saveIssues(command, saving.clock.now(), path)
  if (issues.length > 0) {
    // A missing session outranks what else is wrong: the stream, and with it the rules for IDs, may come from it.
    const found = session ?? (namesSession ? await findSession(saving.database, sessionId) : undefined)
    return namesSession && !isOf(found, command) ? new SessionNotFoundError(sessionId) : new InvalidInputError(issues)
  }

  const outcome = await saving.submitSave(command)
  switch (outcome.outcome) {
    case 'SAVED':
      return outcome
    case 'SESSION_CLOSED':
      return new SessionClosedError(outcome.session)
    case 'SESSION_NOT_FOUND':
      return new SessionNotFoundError(command.sessionId ?? '')
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(command.userId)
    case 'COUNT_OVERFLOW':
      return new InvalidInputError([
        {
          path: [...path, 'bookmarksAdded'],
          message: 'would raise the total above 2147483647, which no count can hold',
        },
      ])
  }
}

export interface ClearedCheckpoint {
  readonly key: CheckpointKey
  /** What was cleared; undefined: there was nothing. */
  readonly checkpoint: Checkpoint | undefined
}

/** Forgets a checkpoint: the next crawl begins at the beginning. Clearing what isn't there is no error. */
export async function clearCheckpoint(
  database: Database,
  caller: Caller,
  input: { readonly userId: string; readonly stream?: string | null },
): Promise<ClearedCheckpoint | InvalidInputError> {
  requireScope(caller, 'operate')
  const key = { userId: input.userId, stream: input.stream ?? DEFAULT_STREAM }
  const issues = issuesOf(checkpointKeySchema.safeParse(key), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  return { key, checkpoint: await deleteCheckpoint(database, key) }
}

function toCommand(input: SaveCheckpointInput, stream: string): SaveCommand {
  return {
    userId: input.userId,
    stream,
    itemId: input.itemId,
    bookmarksCount: input.bookmarksCount ?? undefined,
    bookmarksAdded: input.bookmarksAdded ?? undefined,
    crawledAt: input.crawledAt ?? undefined,
    sessionId: input.sessionId ?? undefined,
  }
}

function isOf(session: CrawlSession | undefined, { userId, stream }: CheckpointKey): boolean {
  return session?.userId === userId && session.stream === stream
}
