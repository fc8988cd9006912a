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

/** A limit that is promised of a machine that is not overloaded; `npm test` must pass on one that is. */
export function promised(milliseconds: number): number {
  return isFull ? milliseconds : 5 * milliseconds
}
