import type { Checkpoint } from '../checkpoint/model.ts'
import type { Database } from '../database/database.ts'
import { createSharedReads } from '../database/shared-reads.ts'
import type { Reach } from '../principal.ts'
import { findOldestCheckpoints } from './settings-store.ts'

/** Like the checkpoints' loaders they batch and keep nothing. */
export function createStreamLoaders(database: Database, reach: Reach) {
  return {
    /** By the stream's name, the checkpoint that has not been crawled for longest. */
    oldestCheckpoint: createSharedReads<string, Checkpoint | null>(
      async (names) => {
        const found = await findOldestCheckpoints(database, reach, names)
        return names.map((name) => found.get(name) ?? null)
      },
      (name) => name,
      database.readTracer,
    ),
  }
}
