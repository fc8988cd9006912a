import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { Database } from '../../database/database.ts'
import type { Reach } from '../../identity/principal.ts'
import { type CheckpointKey, textOfKey } from '../checkpoint/model.ts'
import type { Pause } from './model.ts'
import { findPauses } from './store.ts'

/** Loaders of pauses. Like those of checkpoints, they share statements and cache nothing. */
export function createPauseLoaders(database: Database, reach: Reach) {
  return {
    byKey: createSharedReads<CheckpointKey, Pause | null>(
      async (keys) => {
        const ofKey = new Map((await findPauses(database, reach, keys)).map((pause) => [textOfKey(pause), pause]))
        return keys.map((key) => ofKey.get(textOfKey(key)) ?? null)
      },
      textOfKey,
      database.readTracer,
    ),
  }
}
