import { setTimeout as delay } from 'node:timers/promises'

/**
 * Rows that one statement of what prunes deletes, or looks at, at the most: each holds its locks until it is committed, and who saves at
 * the same time waits for a disk and a processor that are busy with it. (1,000 without a pause made a saver's p99 5 times as long.)
 */
export const MAX_BATCH_SIZE = 100
/** After each batch, of the time that it took: a fifth of one connection's time at the most. */
const PAUSE_PER_BATCH = 4

export interface Batch<Position> {
  readonly count: number
  /** Where the next batch begins; undefined: this was the last. */
  readonly next: Position | undefined
}

/**
 * Deletes batch by batch, each committed on its own, with pauses in between.
 * @param signal ends it after the batch in hand
 * @returns how many rows were deleted
 */
export async function inBatches<Position>(
  deleteBatch: (after: Position | undefined) => Promise<Batch<Position>>,
  signal?: AbortSignal,
): Promise<number> {
  let total = 0
  let after: Position | undefined
  while (!signal?.aborted) {
    const startedAt = performance.now()
    const { count, next } = await deleteBatch(after)
    total += count
    if (next === undefined) break
    after = next
    await delay(PAUSE_PER_BATCH * (performance.now() - startedAt), undefined, { signal }).catch(() => undefined)
  }
  return total
}
