import { v7 as uuidv7, validate as isUuid } from 'uuid'
import { type Principal, requireScope } from '../../identity/principal.ts'
import { CatchUpImpossibleError } from '../plan/model.ts'
import { StreamPausedError } from '../pause/model.ts'
import type { DatabaseClock } from '../../database/clock.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { rateLimitProblem } from '../session/metrics.ts'
import {
  type CompleteSessionInput,
  type CrawlSession,
  DEFAULT_LEASE_SECONDS,
  type FailSessionInput,
  type HeartbeatInput,
  type RequestStopInput,
  SessionClosedError,
  SessionExistsError,
  sessionInputs,
  SessionNotFoundError,
  StaleEpochError,
  type StartSessionInput,
  type StopSessionInput,
  StreamBusyError,
} from '../session/model.ts'
import { findSession } from '../session/store.ts'
import {
  endSession,
  insertSession,
  markStopRequested,
  recordHeartbeat,
  type SessionEnd,
  type SessionWriteOutcome,
  type StartedSession,
} from './store.ts'

export type StartRefusal =
  | InvalidInputError
  | UserNotFoundError
  | SessionExistsError
  | StreamBusyError
  | StreamPausedError
  | CatchUpImpossibleError

/**
 * Reserves the stream for a new session and says where to resume. Refused (StreamBusyError) while a live session owns
 * the stream, unless `takeover` is set. An owner whose lease has run out is ended first, as the reaper would do.
 * @throws Fault FORBIDDEN if `ignorePause` is set without the scope operate
 */
export async function startSession(
  database: Database,
  caller: Principal,
  input: StartSessionInput,
): Promise<StartedSession | StartRefusal> {
  if (input.ignorePause === true) requireScope(caller, 'operate')
  const issues = issuesOf(sessionInputs.start.safeParse(input), ['input'])
  // The refusal shows whether an ID is taken, even by a user out of reach. So a bound caller may not send an ID that
  // can be guessed.
  if (caller.userIds !== 'all' && input.sessionId != null && !isUuid(input.sessionId)) {
    issues.push({
      path: ['input', 'sessionId'],
      message: `must be a UUID, since ${caller.subject} is bound to some users; or leave it out`,
    })
  }
  if (issues.length > 0) return new InvalidInputError(issues)
  const { userId } = input
  const started = await insertSession(database, caller.userIds, {
    sessionId: input.sessionId ?? uuidv7(),
    userId,
    stream: input.stream ?? DEFAULT_STREAM,
    directImport: input.directImport ?? false,
    enableSummarization: input.enableSummarization ?? false,
    outputFilePath: input.outputFilePath ?? undefined,
    leaseSeconds: input.leaseSeconds ?? DEFAULT_LEASE_SECONDS,
    worker: input.worker ?? undefined,
    takeover: input.takeover ?? false,
    idempotencyKey: input.idempotencyKey ?? undefined,
    mode: input.mode ?? 'AUTO',
    ignorePause: input.ignorePause ?? false,
    actor: caller.subject,
  })
  switch (started.outcome) {
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(userId)
    case 'SESSION_EXISTS':
      if (started.session) return new SessionExistsError(started.session)
      return new InvalidInputError([
        { path: ['input', 'sessionId'], message: 'is taken: choose another, or leave it out' },
      ])
    case 'STREAM_BUSY':
      return new StreamBusyError(started.session)
    case 'STREAM_PAUSED':
      return new StreamPausedError(started.pause)
    case 'CATCH_UP_IMPOSSIBLE':
      return new CatchUpImpossibleError(started.reason)
    case 'STARTED':
      return started
  }
}

type WriteRefusal = InvalidInputError | SessionNotFoundError | SessionClosedError | StaleEpochError

/** Reports that the crawler is alive, which renews the lease, and what it has done since its last report. */
export async function heartbeat(
  database: Database,
  clock: DatabaseClock,
  caller: Principal,
  input: HeartbeatInput,
): Promise<CrawlSession | WriteRefusal> {
  const issues = issuesOf(sessionInputs.heartbeat.safeParse(input), ['input'])
  const limitProblem = input.rateLimitedUntil && rateLimitProblem(input.rateLimitedUntil, clock.now())
  if (limitProblem) issues.push({ path: ['input', 'rateLimitedUntil'], message: limitProblem })
  if (issues.length > 0) return new InvalidInputError(issues)
  const written = await recordHeartbeat(database, caller.userIds, input.sessionId, {
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    metrics: input.metrics ?? undefined,
    rateLimitedUntil: input.rateLimitedUntil ?? undefined,
  })
  return toResult(written, input.sessionId)
}

/** Ends a session whose crawl reached its end. The crawl's head becomes the anchors of the next crawl. */
export function completeSession(
  database: Database,
  caller: Principal,
  input: CompleteSessionInput,
): Promise<CrawlSession | WriteRefusal> {
  return end(database, caller, input.sessionId, sessionInputs.complete.safeParse(input), {
    status: 'completed',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: input.outputFilePath ?? undefined,
    errorMessage: undefined,
  })
}

/** Ends a session that was asked to stop before its crawl reached the end. */
export function stopSession(
  database: Database,
  caller: Principal,
  input: StopSessionInput,
): Promise<CrawlSession | WriteRefusal> {
  return end(database, caller, input.sessionId, sessionInputs.stop.safeParse(input), {
    status: 'stopped',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: undefined,
    errorMessage: undefined,
  })
}

/** Ends a session that could not continue, and stores the reason. */
export function failSession(
  database: Database,
  caller: Principal,
  input: FailSessionInput,
): Promise<CrawlSession | WriteRefusal> {
  return end(database, caller, input.sessionId, sessionInputs.fail.safeParse(input), {
    status: 'failed',
    bookmarksProcessed: input.bookmarksProcessed ?? undefined,
    outputFilePath: undefined,
    errorMessage: input.errorMessage,
  })
}

/**
 * Ends a session. If it already has this status, the call succeeds and changes nothing, so that it can be repeated when
 * an answer was lost.
 */
async function end(
  database: Database,
  caller: Principal,
  sessionId: string,
  parsed: Parameters<typeof issuesOf>[0],
  sessionEnd: SessionEnd,
): Promise<CrawlSession | WriteRefusal> {
  const issues = issuesOf(parsed, ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  return toResult(await endSession(database, caller.userIds, sessionId, sessionEnd, caller.subject), sessionId)
}

/** Asks a session to stop. The answers to its next saves and heartbeats say so. Asking again changes nothing. */
export async function requestStop(
  database: Database,
  caller: Principal,
  input: RequestStopInput,
): Promise<CrawlSession | InvalidInputError | SessionNotFoundError | SessionClosedError> {
  const issues = issuesOf(sessionInputs.requestStop.safeParse(input), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const asked = await markStopRequested(database, caller.userIds, input.sessionId)
  if (asked) return asked
  const session = await findSession(database, caller.userIds, input.sessionId)
  return session ? new SessionClosedError(session) : new SessionNotFoundError(input.sessionId)
}

function toResult(written: SessionWriteOutcome, sessionId: string): CrawlSession | WriteRefusal {
  switch (written.outcome) {
    case 'WRITTEN':
    case 'ENDED':
    case 'UNCHANGED':
      return written.session
    case 'SESSION_NOT_FOUND':
      return new SessionNotFoundError(sessionId)
    case 'SESSION_CLOSED':
      return new SessionClosedError(written.session)
    case 'STALE_EPOCH':
      return new StaleEpochError(written.currentEpoch)
    case 'COUNT_OVERFLOW':
      return new InvalidInputError([
        { path: ['input', 'metrics'], message: 'would raise a total above 2147483647, which no count can hold' },
      ])
  }
}
