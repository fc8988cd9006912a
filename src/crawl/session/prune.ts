import { z } from 'zod'
import type { Principal } from '../../identity/principal.ts'
import { inBatches } from '../../database/batches.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { identifierSchema } from '../../identity/identifier.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { streamNameSchema } from '../../stream/model.ts'
import type { SessionStatus } from './model.ts'
import { countPrunable, deletePrunable, type PruneFilter, type PrunePosition } from './prune-store.ts'

const filterSchema = z.object({ userId: identifierSchema.nullish(), stream: streamNameSchema.nullish() })

export interface PruneSessionsInput {
  readonly completedBefore: Date
  /** An empty list matches nothing, and neither does RUNNING. */
  readonly status?: readonly SessionStatus[] | null
  readonly userId?: string | null
  readonly stream?: string | null
  readonly dryRun?: boolean | null
}

/**
 * Deletes ended sessions, in batches with pauses in between. Each batch is committed on its own: a fault half way
 * leaves some deleted, and sending it again deletes the rest. Running sessions, those that ended less than 24 h ago,
 * and those without a completedAt always stay. A session whose row another transaction has locked is skipped.
 * Checkpoints and history stay. Fields that refer to a pruned session answer null.
 * @returns how many were deleted, or in a dry run how many would be; InvalidInputError if the filter is invalid
 */
export async function pruneSessions(
  database: Database,
  caller: Principal,
  input: PruneSessionsInput,
): Promise<number | InvalidInputError> {
  const issues = issuesOf(filterSchema.safeParse(input), ['input'])
  if (issues.length > 0) return new InvalidInputError(issues)
  const filter: PruneFilter = {
    completedBefore: input.completedBefore,
    statuses: input.status ?? undefined,
    userId: input.userId ?? undefined,
    stream: input.stream ?? undefined,
  }
  if (input.dryRun) return countPrunable(database, caller.userIds, filter)
  return inBatches<PrunePosition>((after) => deletePrunable(database, caller.userIds, filter, after))
}
