import { z } from 'zod'
import { bookmarkCountSchema } from '../../identity/identifier.ts'

/** What a crawler counted since its last report. The server adds it to the totals. */
export interface Metrics {
  readonly apiRequests?: number | null | undefined
  readonly rateLimitHits?: number | null | undefined
}

export const metricsSchema = z.object({
  apiRequests: bookmarkCountSchema.nullish(),
  rateLimitHits: bookmarkCountSchema.nullish(),
})

const LONGEST_RATE_LIMIT_MS = 24 * 60 * 60 * 1000

/**
 * What is wrong with the end of a rate limit, which may be at most 24 h ahead of the database's time; undefined:
 * nothing.
 */
export function rateLimitProblem(until: Date, now: Date): string | undefined {
  const latest = new Date(now.getTime() + LONGEST_RATE_LIMIT_MS)
  return until > latest ? `must not be later than ${latest.toISOString()}, 24 h from now` : undefined
}
