import { z } from 'zod'
import type { CrawlPause } from '../../database/generated/client.ts'
import { DomainError } from '../../errors/domain-error.ts'
import { freeTextSchema, identifierSchema } from '../../identity/identifier.ts'
import { streamNameSchema } from '../../stream/model.ts'

/** A pause of a list: until when no session starts on it, why, and who asked for it. */
export type Pause = CrawlPause

/** How far ahead a pause may end. */
const LONGEST_PAUSE_DAYS = 400
const DAY_MS = 86_400_000
const MAX_REASON_LENGTH = 500

/** The inputs of the operations on pauses. null and undefined both mean that the field was not sent. */
export const pauseInputs = {
  pause: z.object({
    userId: identifierSchema,
    stream: streamNameSchema.nullish(),
    until: z.date(),
    reason: freeTextSchema(MAX_REASON_LENGTH).nullish(),
    sessionId: identifierSchema.nullish(),
  }),
  unpause: z.object({ userId: identifierSchema, stream: streamNameSchema.nullish() }),
}
export type PauseCrawlInput = z.input<typeof pauseInputs.pause>
export type UnpauseCrawlInput = z.input<typeof pauseInputs.unpause>

/** What is wrong with the end of a pause; undefined: nothing. @param now the database's time */
export function pauseProblem(until: Date, now: Date): string | undefined {
  if (until <= now) return `must be later than now, ${now.toISOString()}: end a pause with unpauseCrawl`
  const latest = new Date(now.getTime() + LONGEST_PAUSE_DAYS * DAY_MS)
  return until > latest
    ? `must not be later than ${latest.toISOString()}, ${LONGEST_PAUSE_DAYS} days from now`
    : undefined
}

/** Nothing was written: the list is paused. */
export class StreamPausedError extends DomainError {
  readonly code = 'STREAM_PAUSED'

  constructor(readonly pause: Pause) {
    super(
      `${pause.stream} of this user is paused until ${pause.until.toISOString()}${pause.reason ? ` (${pause.reason})` : ''}: start then, or ask an operator for unpauseCrawl.`,
    )
  }
}
