/**
 * How long a session took, in steps. crawler.duration_step (see the migrations) computes the step, and its index holds
 * the sessions of each step by startedAt.
 */
export interface DurationStep {
  readonly step: number
  /**
   * The durations of the step: from `fromSeconds`, inclusive, to `toSeconds`, exclusive. -Infinity to Infinity: any.
   */
  readonly fromSeconds: number
  readonly toSeconds: number
}

const STARTS = [0, 1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144]

export const durationSteps: readonly DurationStep[] = [
  { step: 0, fromSeconds: -Infinity, toSeconds: Infinity },
  ...STARTS.map((fromSeconds, place) => ({
    step: place + 1,
    fromSeconds,
    toSeconds: STARTS[place + 1] ?? Infinity,
  })),
]

/** A time that many seconds earlier; undefined: no time was given, or the result is not a valid date. */
export function earlier(time: Date | undefined, seconds: number): Date | undefined {
  if (!time) return undefined
  const date = new Date(time.getTime() - seconds * 1_000)
  return Number.isNaN(date.getTime()) ? undefined : date
}
