import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import { Finality } from './finality.ts'
import { type FeedEvent, lookAtOutbox, readEventsById, readOutboxState } from './outbox.ts'

/**
 * While an open transaction delays the feed, the first look comes after this time. Later looks come less often, at
 * least once per tick.
 */
export const MIN_RELOOK_MS = 25

/** Where a reader begins. */
export interface Beginning {
  readonly generation: string
  readonly finality: Finality
  /** OutboxState.serverSince. */
  readonly serverSince: string
  /** The event at the position, and the last one of each look. */
  readonly seen: readonly FeedEvent[]
}

/**
 * Finds up to where the outbox is final at the start. A new reader does not know the past, so it cannot tell while a
 * transaction is open that was open before. Most such transactions end within the wait. After the wait the reader
 * begins at the place that another reader stored as final, or, without one, at the last pruned event.
 *
 * @param waitMs how long to wait for open transactions, milliseconds
 */
export async function beginGeneration(database: Database, waitMs: number, isClosed: () => boolean): Promise<Beginning> {
  const { generation, prunedUpTo, serverSince } = await readOutboxState(database)
  const finality = new Finality(prunedUpTo)
  const deadline = performance.now() + waitMs
  const last = new Map<bigint, FeedEvent>()
  const look = async () => {
    const seen = await lookAtOutbox(database, { position: finality.position, known: finality.highest })
    finality.judge(seen, performance.now())
    if (seen.last) last.set(seen.last.eventId, seen.last)
  }
  await look()
  const atStart = finality.highest
  while (finality.position < atStart && performance.now() < deadline && !isClosed()) {
    await delay(MIN_RELOOK_MS)
    await look()
  }
  const seen = last.has(finality.position) ? [] : await readEventsById(database, [finality.position])
  return { generation, finality, serverSince, seen: [...seen, ...last.values()] }
}
