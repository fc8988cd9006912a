import { CallerRates } from './caller-rates.ts'
import { type CallerStreams, CountedStreams } from './caller-streams.ts'

/** What is counted of each caller. The workers of one server count together. */
export interface Callers {
  readonly streams: CallerStreams
  readonly rates: CallerRates
}

export interface CallerLimits {
  /** The most subscriptions that one caller may have open. Default: 1,000. */
  readonly maxStreamsPerCaller?: number
  /** Points that one caller may spend in a minute (CallerRates). 0: no limit. Default: 0. */
  readonly ratePointsPerMinute?: number
  /** The length of that minute in seconds, shorter in tests. Default: 60. */
  readonly rateMinuteSeconds?: number | undefined
}

/** Counts the callers of this process alone. */
export function countCallers({ maxStreamsPerCaller = 1_000, ...rate }: CallerLimits): Callers {
  return {
    streams: new CountedStreams(maxStreamsPerCaller),
    rates: new CallerRates(rate.ratePointsPerMinute ?? 0, rate.rateMinuteSeconds),
  }
}
