/** How long a session took, in steps: crawler.duration_step (migration 003), whose index has the sessions of a step by startedAt. */
export interface DurationStep {
  readonly step: number
  /** From so long, inclusive, to so long, exclusive. -Infinity to Infinity: it can have been any time. */
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

/** A time that much earlier; undefined where no such time is known. */
export function earlier(time: Date | undefined, seconds: number): Date | undefined {
  if (!time) return undefined
  const date = new Date(time.getTime() - seconds * 1_000)
  return Number.isNaN(date.getTime()) ? undefined : date
}
