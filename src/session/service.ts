import { v7 as uuidv7 } from 'uuid'
import { type Caller, requireScope } from '../caller.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import { findCheckpoints } from '../checkpoint/store.ts'
import type { Database } from '../database/database.ts'
import { InvalidInputError } from '../domain-error.ts'
import { issuesOf } from '../input-issues.ts'
import { DEFAULT_STREAM } from '../stream/model.ts'
import { UserNotFoundError } from '../user/model.ts'
import {
  type CompleteSessionInput,
  type CrawlSession,
  type FailSessionInput,
  type HeartbeatInput,
  SessionClosedError,
  SessionExistsError,
  sessionInputs,
  SessionNotFoundError,
  type StartSessionInput,
  type StopSessionInput,
} from './model.ts'
import { endSession, insertSession, reportProgress, type SessionEnd } from './write-store.ts'

export interface StartedSession {
  readonly session: CrawlSession
  /** Where to resume from; undefined: crawl from the beginning. */
  readonly checkpoint: Checkpoint | undefined
}

/** Starts a session and says where to resume. */
export async function startSession(
  database: Database,
  caller: Caller,
  input: StartSessionInput,
): Promise<StartedSession | InvalidInputError | UserNotFoundError | SessionExistsError> {
  requireScope(caller, 'crawl')
  const issues = issuesOf(sessionInputs.start.safeParse(input), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const { userId } = input
  const stream = input.stream ?? DEFAULT_STREAM
  const started = await insertSession(database, {
    sessionId: input.sessionId ?? uuidv7(),
    userId,
    stream,
    directImport: input.directImport ?? false,
    enableSummarization: input.enableSummarization ?? false,
    outputFilePath: input.outputFilePath ?? undefined,
  })
  switch (started.outcome) {
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(userId)
    case 'SESSION_EXISTS':
      return new SessionExistsError(started.session)
    case 'STARTED': {
      const [checkpoint] = await findCheckpoints(database, [{ userId, stream }])
      return { session: started.session, checkpoint }
    }
  }
}

type WriteResult = CrawlSession | InvalidInputError | SessionNotFoundError | SessionClosedError

/** Says that the crawler lives, and perhaps how many bookmarks its session has processed so far. */
export async function heartbeat(database: Database, caller: Caller, input: HeartbeatInput): Promise<WriteResult> {
  requireScope(caller, 'crawl')
  const issues = issuesOf(sessionInputs.heartbeat.safeParse(input), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const written = await reportProgress(database, input.sessionId, input.bookmarksProcessed ?? undefined)
  if (!written) return new SessionNotFoundError(input.sessionId)
  return written.outcome === 'CLOSED' ? new SessionClosedError(written.session) : written.session
}

/** Ends a session whose crawl reached its end. */
export function completeSession(database: Database, caller: Caller, input: CompleteSessionInput): Promise<WriteResult> {
  return end(database, caller, input.sessionId, sessionInputs.complete.safeParse(input), {
    status: 'completed',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: input.outputFilePath ?? undefined,
    errorMessage: undefined,
  })
}

/** Ends a session that was asked to stop before its crawl reached the end. */
export function stopSession(database: Database, caller: Caller, input: StopSessionInput): Promise<WriteResult> {
  return end(database, caller, input.sessionId, sessionInputs.stop.safeParse(input), {
    status: 'stopped',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: undefined,
    errorMessage: undefined,
  })
}

/** Ends a session that could not go on, and keeps why. */
export function failSession(database: Database, caller: Caller, input: FailSessionInput): Promise<WriteResult> {
  return end(database, caller, input.sessionId, sessionInputs.fail.safeParse(input), {
    status: 'failed',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: undefined,
    errorMessage: input.errorMessage,
  })
}

/** Ending a session in the status that it has already succeeds and changes nothing, so that a lost answer can be asked for again. */
async function end(
  database: Database,
  caller: Caller,
  sessionId: string,
  parsed: Parameters<typeof issuesOf>[0],
  sessionEnd: SessionEnd,
): Promise<WriteResult> {
  requireScope(caller, 'crawl')
  const issues = issuesOf(parsed, ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const written = await endSession(database, sessionId, sessionEnd)
  if (!written) return new SessionNotFoundError(sessionId)
  const endedOtherwise = written.outcome === 'CLOSED' && written.session.status !== sessionEnd.status
  return endedOtherwise ? new SessionClosedError(written.session) : written.session
}
