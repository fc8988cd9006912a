import type { CheckpointKey } from '../checkpoint/model.ts'

/** A list that a scheduler may start now: it is neither running nor paused, nor completed since. */
export interface DueList extends CheckpointKey {
  /** null: it was never started. */
  readonly lastStartedAt: Date | null
}

/** Which lists are due. */
export interface DueQuery {
  readonly stream: string
  /** Lists that have not completed at this time or later. */
  readonly completedBefore: Date
  /** Lists that were not started at this time or later; undefined: whenever. */
  readonly startedBefore: Date | undefined
}

/** How many of the last sessions are looked at for failures in a row. */
export const MOST_FAILURES = 100
