/** Whether this is `npm run test:faults`: each fault as often as docs/guarantees.md says. In `npm test` each comes a few times only. */
export const isFull = process.env['WAYMARK_FAULTS'] === '1'

export function rounds(full: number, short: number): number {
  return isFull ? full : short
}

/** Tells what was measured, in the run's output. */
export function tell(figures: string): void {
  if (isFull) process.stdout.write(`${figures}\n`)
}

/** The middle and the worst of some durations, for people. */
export function spread(milliseconds: readonly number[]): string {
  const sorted = milliseconds.toSorted((a, b) => a - b)
  return `median ${Math.round(sorted[sorted.length >> 1] ?? 0)} ms, worst ${Math.round(sorted.at(-1) ?? 0)} ms`
}

/**
 * What a test allows if so many milliseconds are promised: just that in `npm run test:faults`, which has the machine to
 * itself, and five times as much in `npm test`, which has to pass on a busy one. Put it into the title by `seconds`, so
 * that the title says what is asserted.
 */
export function allowedMs(promisedMs: number): number {
  return isFull ? promisedMs : 5 * promisedMs
}

/** A bound as titles write it, for example "2 s". */
export function seconds(milliseconds: number): string {
  return `${milliseconds / 1_000} s`
}
