import type { Database } from '../../database/database.ts'
import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { Reach } from '../../identity/principal.ts'
import { type Checkpoint, type CheckpointKey, type LiteralCheckpoint, textOfKey } from './model.ts'
import { findOldestCheckpoints } from './oldest-store.ts'
import { findCheckpoints, findLiteralCheckpoints } from './store.ts'

/**
 * Loaders for all operations of callers with one reach. What they ask for at the same time is one statement, or one for
 * each reading. Nothing is cached.
 */
export function createCheckpointLoaders(database: Database, reach: Reach) {
  return {
    byKey: {
      literal: byKey(database, (keys) => findLiteralCheckpoints(database, reach, keys)),
      all: byKey(database, (keys) => findCheckpoints(database, reach, keys)),
    },
    /** By the stream's name: the checkpoint whose last crawl is the longest ago. */
    oldestOfStream: createSharedReads<string, Checkpoint | null>(
      async (names) => {
        const found = await findOldestCheckpoints(database, reach, names)
        return names.map((name) => found.get(name) ?? null)
      },
      (name) => name,
      database.readTracer,
    ),
  }
}

function byKey<Found extends LiteralCheckpoint>(
  database: Database,
  find: (keys: readonly CheckpointKey[]) => Promise<readonly Found[]>,
) {
  return createSharedReads<CheckpointKey, Found | null>(
    async (keys) => {
      const ofKey = new Map((await find(keys)).map((checkpoint) => [textOfKey(checkpoint), checkpoint]))
      return keys.map((key) => ofKey.get(textOfKey(key)) ?? null)
    },
    textOfKey,
    database.readTracer,
  )
}
