import type { Database } from '../database/database.ts'
import { createSharedReads } from '../concurrency/shared-reads.ts'
import type { Reach } from '../identity/principal.ts'
import type { User } from './model.ts'
import { findUsers } from './store.ts'

/** User loaders. Like the loaders of checkpoints, they share statements and cache nothing. */
export function createUserLoaders(database: Database, reach: Reach) {
  return {
    byId: createSharedReads<string, User | null>(
      async (userIds) => {
        const found = await findUsers(database, reach, userIds)
        const byId = new Map(found.map((user) => [user.userId, user]))
        return userIds.map((userId) => byId.get(userId) ?? null)
      },
      (userId) => userId,
      database.readTracer,
    ),
  }
}
