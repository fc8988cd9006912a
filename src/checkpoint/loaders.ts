import DataLoader from 'dataloader'
import type { Database } from '../database/database.ts'
import type { Reach } from '../principal.ts'
import type { Checkpoint, CheckpointKey } from './model.ts'
import { findCheckpoints, findCheckpointsOfUsers, findItemLists } from './store.ts'

/**
 * Batch what the fields of one request ask for into one statement.
 * They keep nothing (cache: false): a request may save and then read, and a subscription's loaders live as long as it does.
 */
export function createCheckpointLoaders(database: Database, reach: Reach) {
  return {
    byKey: new DataLoader<CheckpointKey, Checkpoint | null>(
      async (keys) => {
        const wanted = new Map(keys.map((key) => [textOf(key), key]))
        const found = await findCheckpoints(database, reach, [...wanted.values()])
        const byKey = new Map(found.map((checkpoint) => [textOf(checkpoint), checkpoint]))
        return keys.map((key) => byKey.get(textOf(key)) ?? null)
      },
      { cache: false },
    ),
    ofUser: new DataLoader<string, readonly Checkpoint[]>(
      async (userIds) => {
        const found = await findCheckpointsOfUsers(database, reach, [...new Set(userIds)])
        return userIds.map((userId) => found.filter((checkpoint) => checkpoint.userId === userId))
      },
      { cache: false },
    ),
    /** Item IDs of a head or of anchors. */
    itemList: new DataLoader<bigint, readonly string[]>(
      async (listIds) => {
        const found = await findItemLists(database, [...new Set(listIds)])
        return listIds.map((listId) => found.get(listId) ?? [])
      },
      { cache: false },
    ),
  }
}

function textOf({ userId, stream }: CheckpointKey): string {
  return JSON.stringify([userId, stream])
}
