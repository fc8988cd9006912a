import type { Checkpoint, CheckpointKey } from '../checkpoint/model.ts'
import { findCheckpoints } from '../checkpoint/store.ts'
import type { Database } from '../../database/database.ts'
import type { Principal } from '../../identity/principal.ts'
import { isUser } from '../../user/store.ts'
import type { CrawlSession } from '../session/model.ts'
import { planOf, type ResumePlan } from './model.ts'
import { findLatestSession } from '../session/store.ts'

/** What the session that was just started has to do. */
export async function planOfStarted(
  database: Database,
  caller: Principal,
  { session, checkpoint }: { readonly session: CrawlSession; readonly checkpoint: Checkpoint | undefined },
): Promise<ResumePlan> {
  return planOf(checkpoint, await findLatestSession(database, caller.userIds, session, session.sessionId))
}

/** What the next crawl of a stream has to do; undefined: there is no such user. */
export async function resumePlan(
  database: Database,
  caller: Principal,
  key: CheckpointKey,
): Promise<ResumePlan | undefined> {
  const [[checkpoint], previous] = await Promise.all([
    findCheckpoints(database, caller.userIds, [key]),
    findLatestSession(database, caller.userIds, key),
  ])
  // The foreign key of either one guarantees that the user exists.
  if (!checkpoint && !previous && !(await isUser(database, caller.userIds, key.userId))) return undefined
  return planOf(checkpoint, previous)
}
