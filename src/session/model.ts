import { z } from 'zod'
import { DomainError } from '../domain-error.ts'
import { bookmarkCountSchema, freeTextSchema, identifierSchema } from '../identifier.ts'
import { streamNameSchema } from '../stream/model.ts'

/** The words of the column, which are the original project's. */
export const SESSION_STATUSES = ['running', 'completed', 'stopped', 'failed'] as const
export type SessionStatus = (typeof SESSION_STATUSES)[number]
export type EndStatus = Exclude<SessionStatus, 'running'>

/** One run of a crawler over one stream of one user. */
export interface CrawlSession {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly startedAt: Date
  readonly completedAt: Date | null
  readonly status: SessionStatus
  /** The greater of the sum of its saves' bookmarksAdded and the greatest total it reported. */
  readonly bookmarksProcessed: number
  readonly directImport: boolean
  readonly enableSummarization: boolean
  readonly outputFilePath: string | null
  readonly errorMessage: string | null
}

/** The column's text as a status; what an adopted table holds outside the four reads as failed. */
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
      `Session ${JSON.stringify(session.sessionId)} has ended (${session.status}): start a new session; it carries on from the checkpoint.`,
    )
  }
}

/** Nothing was written: the ID is taken. */
export class SessionExistsError extends DomainError {
  readonly code = 'SESSION_EXISTS'

  constructor(readonly session: CrawlSession) {
    super(
      `Session ${JSON.stringify(session.sessionId)} was started already (${session.status}): use it if it is yours and runs, or leave sessionId out and get a new one.`,
    )
  }
}

const MAX_PATH_LENGTH = 4_096
const MAX_MESSAGE_LENGTH = 10_000

const outputFilePath = freeTextSchema(MAX_PATH_LENGTH).nullish()
const bookmarksProcessed = bookmarkCountSchema.nullish()

/** The inputs of the operations on sessions; null and undefined both mean: not sent. */
export const sessionInputs = {
  start: z.object({
    userId: identifierSchema,
    stream: streamNameSchema.nullish(),
    sessionId: identifierSchema.nullish(),
    directImport: z.boolean().nullish(),
    enableSummarization: z.boolean().nullish(),
    outputFilePath,
  }),
  heartbeat: z.object({ sessionId: identifierSchema, bookmarksProcessed }),
  complete: z.object({ sessionId: identifierSchema, bookmarksProcessed, outputFilePath }),
  stop: z.object({ sessionId: identifierSchema, bookmarksProcessed }),
  fail: z.object({
    sessionId: identifierSchema,
    errorMessage: freeTextSchema(MAX_MESSAGE_LENGTH),
    bookmarksProcessed,
  }),
}

export type StartSessionInput = z.input<typeof sessionInputs.start>
export type HeartbeatInput = z.input<typeof sessionInputs.heartbeat>
export type CompleteSessionInput = z.input<typeof sessionInputs.complete>
export type StopSessionInput = z.input<typeof sessionInputs.stop>
export type FailSessionInput = z.input<typeof sessionInputs.fail>
