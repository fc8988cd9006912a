import { z } from 'zod'
import { inBatches } from '../../database/batches.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { freeTextSchema } from '../../identity/identifier.ts'
import type { Principal } from '../../identity/principal.ts'
import { countSessions } from '../session/count-store.ts'
import type { SessionFilter } from '../session/filter-store.ts'
import { MAX_STOPPED_AT_ONCE, stopAtOnce, stopBatch, type StopPosition, type StopQuestion } from './stop-store.ts'

const MAX_REASON_LENGTH = 500
const reasonSchema = z.object({ reason: freeTextSchema(MAX_REASON_LENGTH).nullish() })

export interface RequestStopSessionsInput {
  readonly filter: SessionFilter
  /** Allows a filter without any condition. */
  readonly all: boolean
  /** undefined: any number may match. */
  readonly expectedMatched: number | undefined
  /** Up to 500 characters. */
  readonly reason: string | undefined
  readonly dryRun: boolean
}

export interface StopRequests {
  /** Running sessions that the filter matches. */
  readonly matched: number
  /** Those that were asked now, and had not been asked before. */
  readonly requested: number
}

/**
 * Asks the running sessions that match to stop. The time and the reason of an earlier request are kept. Up to 250 are
 * counted and asked in one transaction. More are counted first, and then asked in transactions of 250 with pauses in
 * between, so that no save waits long: a session that starts or ends meanwhile may or may not be asked, and a fault
 * half way leaves some asked. Sending it again asks the rest.
 * @returns InvalidInputError if the filter has no condition and `all` is not set, or another number matches than
 *   expected
 */
export async function requestStopSessions(
  database: Database,
  caller: Principal,
  input: RequestStopSessionsInput,
): Promise<StopRequests | InvalidInputError> {
  const issues = issuesOf(reasonSchema.safeParse({ reason: input.reason }), ['input'])
  if (!input.all && Object.values(input.filter).every((condition) => condition === undefined)) {
    const message = 'must have a condition: add one, or send all: true to ask every running session'
    issues.push({ path: ['input', 'filter'], message })
  }
  if (issues.length > 0) return new InvalidInputError(issues)
  const question: StopQuestion = { filter: input.filter, reason: input.reason }
  const reach = caller.userIds

  const { matched, requested } = input.dryRun
    ? { matched: await countRunning(database, caller, input.filter), requested: 0 }
    : await stopAtOnce(database, reach, question, input.expectedMatched)
  if (input.dryRun || matched <= MAX_STOPPED_AT_ONCE) return asExpected(input, { matched, requested })

  const counted = await countRunning(database, caller, input.filter)
  const refusal = asExpected(input, { matched: counted, requested: 0 })
  if (refusal instanceof Error) return refusal
  // Sessions that start meanwhile come last. They end the loop once as many were asked as were counted.
  let left = counted
  const asked = await inBatches<StopPosition>(async (after) => {
    const batch = await stopBatch(database, reach, question, after)
    left -= batch.count
    return left > 0 ? batch : { ...batch, next: undefined }
  })
  return { matched: counted, requested: asked }
}

const countRunning = (database: Database, caller: Principal, filter: SessionFilter): Promise<number> => {
  const others = filter.statuses && !filter.statuses.includes('running')
  return countSessions(database, caller.userIds, { ...filter, statuses: others ? [] : ['running'] })
}

function asExpected(
  { expectedMatched }: RequestStopSessionsInput,
  requests: StopRequests,
): StopRequests | InvalidInputError {
  if (expectedMatched === undefined || expectedMatched === requests.matched) return requests
  return new InvalidInputError([
    {
      path: ['input', 'expectedMatched'],
      message: `is ${expectedMatched}, but ${requests.matched} running sessions match, and none was asked: look at them, then send the new number`,
    },
  ])
}
