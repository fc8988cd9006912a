import type { Database } from '../database/database.ts'
import { createSharedReads } from '../database/shared-reads.ts'
import type { Reach } from '../principal.ts'
import type { Checkpoint, CheckpointKey } from './model.ts'
import { findOldestCheckpoints } from './oldest-store.ts'
import type { CheckpointReading } from './row.ts'
import { findCheckpoints, findCheckpointsOfUsers, findItemLists } from './store.ts'

/**
 * For all operations of callers with one reach: what they ask for at the same time is one statement, or one a reading. They keep
 * nothing.
 */
export function createCheckpointLoaders(database: Database, reach: Reach) {
  return {
    byKey: { literal: byKey(database, reach, 'literal'), all: byKey(database, reach, 'all') },
    ofUser: { literal: ofUser(database, reach, 'literal'), all: ofUser(database, reach, 'all') },
    /** By the stream's name, the checkpoint that has not been crawled for longest. */
    oldestOfStream: createSharedReads<string, Checkpoint | null>(
      async (names) => {
        const found = await findOldestCheckpoints(database, reach, names)
        return names.map((name) => found.get(name) ?? null)
      },
      (name) => name,
      database.readTracer,
    ),
    /** Item IDs of a head or of anchors. */
    itemList: createSharedReads<bigint, readonly string[]>(
      async (listIds) => {
        const found = await findItemLists(database, listIds)
        return listIds.map((listId) => found.get(listId) ?? [])
      },
      String,
      database.readTracer,
    ),
  }
}

function byKey(database: Database, reach: Reach, reading: CheckpointReading) {
  return createSharedReads<CheckpointKey, Checkpoint | null>(
    async (keys) => {
      const found = await findCheckpoints(database, reach, keys, reading)
      const ofKey = new Map(found.map((checkpoint) => [textOf(checkpoint), checkpoint]))
      return keys.map((key) => ofKey.get(textOf(key)) ?? null)
    },
    textOf,
    database.readTracer,
  )
}

function ofUser(database: Database, reach: Reach, reading: CheckpointReading) {
  return createSharedReads<string, readonly Checkpoint[]>(
    async (userIds) => {
      const found = await findCheckpointsOfUsers(database, reach, userIds, reading)
      const byUser = new Map(userIds.map((userId) => [userId, [] as Checkpoint[]]))
      for (const checkpoint of found) byUser.get(checkpoint.userId)?.push(checkpoint)
      return userIds.map((userId) => byUser.get(userId) ?? [])
    },
    (userId) => userId,
    database.readTracer,
  )
}

/** The length says where the user's ID ends, whatever characters another program wrote. */
function textOf({ userId, stream }: CheckpointKey): string {
  return `${String(userId.length)} ${userId}${stream}`
}
