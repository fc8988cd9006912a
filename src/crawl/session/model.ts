import { z } from 'zod'
import type { CrawlSession } from '../../database/generated/client.ts'
import { leaseEnd, type LeaseClock, leaseTime } from '../../database/lease-time.ts'
import { DomainError } from '../../errors/domain-error.ts'
import { bookmarkCountSchema, freeTextSchema, identifierSchema, nameSchema } from '../../identity/identifier.ts'
import { streamNameSchema } from '../../stream/model.ts'
import { metricsSchema } from './metrics.ts'

/** The values of the column. They come from the original project. */
export const SESSION_STATUSES = ['running', 'completed', 'stopped', 'failed'] as const
export type SessionStatus = (typeof SESSION_STATUSES)[number]
export type { CrawlSession } from '../../database/generated/client.ts'

/** What most lists of sessions show, and what lists are ordered by. */
export const SUMMARY_FIELDS = [
  'sessionId',
  'userId',
  'stream',
  'startedAt',
  'completedAt',
  'status',
  'bookmarksProcessed',
] as const
/** A session of which only these columns were read. */
export type SessionSummary = Pick<CrawlSession, (typeof SUMMARY_FIELDS)[number]>
/** A session as a list reads it: whole if a field was selected that a summary lacks. */
export type ListedSession = SessionSummary | CrawlSession
/** What ended a session through this API. The column is null while it runs, and where another program ended it. */
export const END_REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER'] as const
export type EndReason = (typeof END_REASONS)[number]
export type EndStatus = Exclude<SessionStatus, 'running'>

/** Whether the session owns its stream: it is running, and its lease has not run out. */
export function isLive(session: CrawlSession, clock: LeaseClock): boolean {
  const end = leaseEnd(clock, session)
  return session.status === 'running' && session.epoch > 0 && end !== null && end > leaseTime(clock)
}

/** Bookmarks a second from the first save to the last; null: there are not yet two saves at different times. */
export function bookmarksPerSecond(session: CrawlSession): number | null {
  if (!session.firstSaveAt || !session.lastSaveAt || session.commits < 2) return null
  const seconds = (session.lastSaveAt.getTime() - session.firstSaveAt.getTime()) / 1000
  return seconds > 0 ? session.bookmarksSinceFirstSave / seconds : null
}

/** The column's text as a status. Any other text, which an adopted table may hold, counts as failed. */
export function statusFromColumn(text: string): SessionStatus {
  return SESSION_STATUSES.find((status) => status === text) ?? 'failed'
}

export class SessionNotFoundError extends DomainError {
  readonly code = 'SESSION_NOT_FOUND'

  constructor(sessionId: string) {
    super(
      `There is no session ${JSON.stringify(sessionId)} for this user and stream: call startSession, or send the user and stream that it was started for.`,
    )
  }
}

/** Nothing was written: the session has ended. */
export class SessionClosedError extends DomainError {
  readonly code = 'SESSION_CLOSED'

  constructor(readonly session: CrawlSession) {
    super(
      `Session ${JSON.stringify(session.sessionId)} has ended (${statusFromColumn(session.status)}): start a new session; it carries on from the checkpoint.`,
    )
  }
}

/** Nothing was written: the ID is taken. */
export class SessionExistsError extends DomainError {
  readonly code = 'SESSION_EXISTS'

  constructor(readonly session: CrawlSession) {
    super(
      `Session ${JSON.stringify(session.sessionId)} was started already (${statusFromColumn(session.status)}): use it if it is yours and runs, or leave sessionId out and get a new one.`,
    )
  }
}

/** Nothing was written: a live session owns the stream. */
export class StreamBusyError extends DomainError {
  readonly code = 'STREAM_BUSY'

  constructor(readonly owner: CrawlSession) {
    super(
      `Session ${JSON.stringify(owner.sessionId)} owns ${owner.stream} of this user until its lease ends: wait until retryAt, ask it to stop with requestStop, or start with takeover: true.`,
    )
  }
}

/** Nothing was written: another session has taken the stream since. */
export class StaleEpochError extends DomainError {
  readonly code = 'STALE_EPOCH'

  constructor(readonly currentEpoch: number) {
    super(`A later session (epoch ${currentEpoch}) has taken this stream: stop crawling; what was saved before stands.`)
  }
}

/** AUTO: what the plan says. FULL: the whole list again. CATCH_UP: what is above an unfinished crawl's head. */
export const START_MODES = ['AUTO', 'FULL', 'CATCH_UP'] as const
export type StartMode = (typeof START_MODES)[number]

export const DEFAULT_LEASE_SECONDS = 60
const MIN_LEASE_SECONDS = 5
const MAX_LEASE_SECONDS = 3_600
const MAX_PATH_LENGTH = 4_096
const MAX_MESSAGE_LENGTH = 10_000

const outputFilePath = freeTextSchema(MAX_PATH_LENGTH).nullish()
const bookmarksProcessed = bookmarkCountSchema.nullish()

/** The inputs of the operations on sessions. null and undefined both mean that the field was not sent. */
export const sessionInputs = {
  start: z.object({
    userId: identifierSchema,
    stream: streamNameSchema.nullish(),
    sessionId: identifierSchema.nullish(),
    directImport: z.boolean().nullish(),
    enableSummarization: z.boolean().nullish(),
    outputFilePath,
    leaseSeconds: z
      .number()
      .int()
      .min(MIN_LEASE_SECONDS, `must be ${MIN_LEASE_SECONDS} to ${MAX_LEASE_SECONDS}`)
      .max(MAX_LEASE_SECONDS, `must be ${MIN_LEASE_SECONDS} to ${MAX_LEASE_SECONDS}`)
      .nullish(),
    worker: nameSchema.nullish(),
    takeover: z.boolean().nullish(),
    mode: z.enum(START_MODES).nullish(),
    ignorePause: z.boolean().nullish(),
    idempotencyKey: nameSchema.nullish(),
  }),
  heartbeat: z.object({
    sessionId: identifierSchema,
    bookmarksProcessed,
    metrics: metricsSchema.nullish(),
    rateLimitedUntil: z.date().nullish(),
  }),
  complete: z.object({ sessionId: identifierSchema, bookmarksProcessed, outputFilePath }),
  stop: z.object({ sessionId: identifierSchema, bookmarksProcessed }),
  requestStop: z.object({ sessionId: identifierSchema }),
  fail: z.object({
    sessionId: identifierSchema,
    errorMessage: freeTextSchema(MAX_MESSAGE_LENGTH),
    bookmarksProcessed,
  }),
}

export type StartSessionInput = z.input<typeof sessionInputs.start>
export type HeartbeatInput = z.input<typeof sessionInputs.heartbeat>
export type CompleteSessionInput = z.input<typeof sessionInputs.complete>
export type RequestStopInput = z.input<typeof sessionInputs.requestStop>
export type StopSessionInput = z.input<typeof sessionInputs.stop>
export type FailSessionInput = z.input<typeof sessionInputs.fail>
