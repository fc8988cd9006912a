import type { Database } from '../database/database.ts'
import type { KeysetPage, Page } from '../database/keyset.ts'
import { createSharedReads } from '../database/shared-reads.ts'
import type { Reach } from '../principal.ts'
import { countSessionsOfUsers } from './count-store.ts'
import type { SessionFilter } from './filter-store.ts'
import { listSessionsOfUsers, type SessionOrder } from './list-store.ts'
import type { CrawlSession } from './model.ts'
import { findSessions } from './store.ts'

/** One user's page of sessions. Those that ask for the same page of different users share a statement. */
export interface SessionsOfUser {
  readonly userId: string
  readonly filter: SessionFilter
  readonly order: SessionOrder
  readonly page: KeysetPage
}

/** Like the checkpoints' loaders they batch and keep nothing. */
export function createSessionLoaders(database: Database, reach: Reach) {
  return {
    byId: createSharedReads<string, CrawlSession | null>(async (sessionIds) => {
      const found = await findSessions(database, reach, [...new Set(sessionIds)])
      const byId = new Map(found.map((session) => [session.sessionId, session]))
      return sessionIds.map((sessionId) => byId.get(sessionId) ?? null)
    }, database.readTracer),
    ofUser: createSharedReads<SessionsOfUser, Page<CrawlSession>>(
      (asked) =>
        eachGroup(
          asked,
          ({ filter, order, page }) => [filter, order, page],
          (userIds, { filter, order, page }) => listSessionsOfUsers(database, reach, userIds, filter, order, page),
        ),
      database.readTracer,
    ),
    countOfUser: createSharedReads<Pick<SessionsOfUser, 'userId' | 'filter'>, number>(
      (asked) =>
        eachGroup(
          asked,
          ({ filter }) => filter,
          async (userIds, { filter }) => {
            const counts = await countSessionsOfUsers(database, reach, userIds, filter)
            return new Map(userIds.map((userId) => [userId, counts.get(userId) ?? 0]))
          },
        ),
      database.readTracer,
    ),
  }
}

/** Runs one query for all users that are asked the same question, and puts the answers into the order of the asking. */
async function eachGroup<Asked extends { readonly userId: string }, Answer>(
  asked: readonly Asked[],
  questionOf: (item: Asked) => unknown,
  answer: (userIds: readonly string[], question: Asked) => Promise<ReadonlyMap<string, Answer>>,
): Promise<(Answer | Error)[]> {
  const groups = new Map<string, { readonly question: Asked; readonly userIds: Set<string> }>()
  const keyOf = (item: Asked) => JSON.stringify(questionOf(item))
  for (const item of asked) {
    const group = groups.get(keyOf(item))
    if (group) group.userIds.add(item.userId)
    else groups.set(keyOf(item), { question: item, userIds: new Set([item.userId]) })
  }
  const answers = new Map<string, ReadonlyMap<string, Answer>>()
  await Promise.all(
    [...groups].map(async ([key, { question, userIds }]) => answers.set(key, await answer([...userIds], question))),
  )
  return asked.map((item) => answers.get(keyOf(item))?.get(item.userId) ?? new Error(`no answer for ${item.userId}`))
}
