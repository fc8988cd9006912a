import { setTimeout as delay } from 'node:timers/promises'

/**
 * The most rows that one pruning statement deletes or looks at. Each row stays locked until the commit, and saves at
 * the same time wait for the disk and the processor. (1,000 without a pause made a saver's p99 5 times as long.)
 */
export const MAX_BATCH_SIZE = 100
/**
 * The pause after each batch, in multiples of the batch's time: pruning takes a fifth of one connection's time at most.
 */
const PAUSE_PER_BATCH = 4

export interface Batch<Position> {
  readonly count: number
  /** Where the next batch begins; undefined: this was the last. */
  readonly next: Position | undefined
}

/**
 * Deletes batch by batch, each committed on its own, with pauses in between.
 * @param deleteBatch deletes the batch after a position; undefined: the first batch
 * @param signal ends it after the current batch
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
