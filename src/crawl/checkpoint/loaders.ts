import type { Database } from '../../database/database.ts'
import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Checkpoint, CheckpointKey, LiteralCheckpoint } from './model.ts'
import { findOldestCheckpoints } from './oldest-store.ts'
import { findCheckpoints, findLiteralCheckpoints } from './store.ts'

/**
 * For all operations of callers with one reach: what they ask for at the same time is one statement, or one a reading. They keep
 * nothing.
 */
export function createCheckpointLoaders(database: Database, reach: Reach) {
  return {
    byKey: {
      literal: byKey(database, (keys) => findLiteralCheckpoints(database, reach, keys)),
      all: byKey(database, (keys) => findCheckpoints(database, reach, keys)),
    },
    /** By the stream's name, the checkpoint that has not been crawled for longest. */
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
      const ofKey = new Map((await find(keys)).map((checkpoint) => [textOf(checkpoint), checkpoint]))
      return keys.map((key) => ofKey.get(textOf(key)) ?? null)
    },
    textOf,
    database.readTracer,
  )
}

/** The length says where the user's ID ends, whatever characters another program wrote. */
function textOf({ userId, stream }: CheckpointKey): string {
  return `${String(userId.length)} ${userId}${stream}`
}
