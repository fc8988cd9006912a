import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { Database } from '../../database/database.ts'
import type { Reach } from '../../identity/principal.ts'
import { type CheckpointKey, textOfKey } from '../checkpoint/model.ts'
import { KeptScans } from './kept-scans.ts'
import { countFailures } from './store.ts'

/** Loaders of lists that are due. Like those of checkpoints, they share statements; only slow scans are kept. */
export function createDueLoaders(database: Database, reach: Reach) {
  return {
    failuresInARow: createSharedReads<CheckpointKey, number>(
      (keys) => countFailures(database, reach, keys),
      textOfKey,
      database.readTracer,
    ),
    keptScans: new KeptScans(),
  }
}
