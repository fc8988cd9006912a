import type { Database } from '../../database/database.ts'
import type { Page } from '../../database/keyset.ts'
import { createSharedReads } from '../../concurrency/shared-reads.ts'
import type { Reach } from '../../identity/principal.ts'
import { countSessionsOfUsers } from './count-store.ts'
import { listSessionsOfUsers, type SessionPage } from './list-store.ts'
import type { CrawlSession, ListedSession } from './model.ts'
import { findSessions } from './store.ts'

/** One user's page of sessions. Requests for the same page of different users share a statement. */
export interface SessionsOfUser extends SessionPage {
  readonly userId: string
}

/** Session loaders. Like the loaders of checkpoints, they share statements and cache nothing. */
export function createSessionLoaders(database: Database, reach: Reach) {
  return {
    byId: createSharedReads<string, CrawlSession | null>(
      async (sessionIds) => {
        const found = await findSessions(database, reach, sessionIds)
        const byId = new Map(found.map((session) => [session.sessionId, session]))
        return sessionIds.map((sessionId) => byId.get(sessionId) ?? null)
      },
      (sessionId) => sessionId,
      database.readTracer,
    ),
    ofUser: createSharedReads<SessionsOfUser, Page<ListedSession>>(
      (asked) =>
        eachGroup(
          asked,
          ({ userId: _userId, ...question }) => question,
          (userIds, question) => listSessionsOfUsers(database, reach, userIds, question),
        ),
      JSON.stringify,
      database.readTracer,
    ),
  }
}

/** How many sessions of a user match. Made for one operation, so that its caller pays for the rows that are counted. */
export function createSessionCounts(database: Database, reach: Reach) {
  return createSharedReads<Pick<SessionsOfUser, 'userId' | 'filter'>, number>(
    (asked) =>
      eachGroup(
        asked,
        ({ filter }) => filter,
        async (userIds, { filter }) => {
          const counts = await countSessionsOfUsers(database, reach, userIds, filter)
          return new Map(userIds.map((userId) => [userId, counts.get(userId) ?? 0]))
        },
      ),
    JSON.stringify,
    database.readTracer,
  )
}

interface Group<Asked, Answer> {
  readonly question: Asked
  readonly userIds: string[]
  answers: ReadonlyMap<string, Answer>
}

/** Runs one query for all users with the same question, and returns the answers in the order of `asked`. */
async function eachGroup<Asked extends { readonly userId: string }, Answer>(
  asked: readonly Asked[],
  questionOf: (item: Asked) => unknown,
  answer: (userIds: readonly string[], question: Asked) => Promise<ReadonlyMap<string, Answer>>,
): Promise<(Answer | Error)[]> {
  const groups = new Map<string, Group<Asked, Answer>>()
  const groupOfEach = asked.map((item) => {
    const text = JSON.stringify(questionOf(item))
    let group = groups.get(text)
    if (!group) groups.set(text, (group = { question: item, userIds: [], answers: new Map() }))
    group.userIds.push(item.userId)
    return group
  })
  await Promise.all(
    [...groups.values()].map(async (group) => {
      group.answers = await answer(group.userIds, group.question)
    }),
  )
  return asked.map(
    ({ userId }, place) => groupOfEach[place]?.answers.get(userId) ?? new Error(`no answer for ${userId}`),
  )
}
