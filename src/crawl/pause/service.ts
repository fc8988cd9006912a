import type { DatabaseClock } from '../../database/clock.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import type { Principal } from '../../identity/principal.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { SessionClosedError, SessionNotFoundError, StaleEpochError } from '../session/model.ts'
import { type Pause, type PauseCrawlInput, pauseInputs, pauseProblem, type UnpauseCrawlInput } from './model.ts'
import { pauseList, unpauseList } from './store.ts'

export type PauseRefusal =
  InvalidInputError | UserNotFoundError | SessionNotFoundError | SessionClosedError | StaleEpochError

/**
 * Pauses a list, with or without a checkpoint: until then no session starts on it. A session that runs goes on. With a
 * session the pause is only lengthened; without one it is replaced.
 * @returns the pause that stands now, or what refused it
 */
export async function pauseCrawl(
  database: Database,
  clock: DatabaseClock,
  caller: Principal,
  input: PauseCrawlInput,
): Promise<Pause | PauseRefusal> {
  const issues = issuesOf(pauseInputs.pause.safeParse(input), ['input'])
  const problem = pauseProblem(input.until, clock.now())
  if (problem) issues.push({ path: ['input', 'until'], message: problem })
  if (issues.length > 0) return new InvalidInputError(issues)
  const { userId } = input
  const sessionId = input.sessionId ?? undefined
  const paused = await pauseList(database, caller.userIds, {
    userId,
    stream: input.stream ?? DEFAULT_STREAM,
    until: input.until,
    reason: input.reason ?? undefined,
    sessionId,
    actor: caller.subject,
  })
  switch (paused.outcome) {
    case 'PAUSED':
      return paused.pause
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(userId)
    case 'SESSION_NOT_FOUND':
      return new SessionNotFoundError(sessionId ?? '')
    case 'SESSION_CLOSED':
      return new SessionClosedError(paused.session)
    case 'STALE_EPOCH':
      return new StaleEpochError(paused.currentEpoch)
  }
}

/**
 * Ends the pause of a list. A list that is not paused stays as it is.
 * @returns what refused it; undefined: the list is not paused now
 */
export async function unpauseCrawl(
  database: Database,
  caller: Principal,
  input: UnpauseCrawlInput,
): Promise<InvalidInputError | UserNotFoundError | undefined> {
  const issues = issuesOf(pauseInputs.unpause.safeParse(input), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const { userId, stream } = input
  const outcome = await unpauseList(database, caller.userIds, { userId, stream: stream ?? DEFAULT_STREAM })
  return outcome === 'USER_NOT_FOUND' ? new UserNotFoundError(userId) : undefined
}
