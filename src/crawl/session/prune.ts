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
  /** An empty list: none. RUNNING matches nothing. */
  readonly status?: readonly SessionStatus[] | null
  readonly userId?: string | null
  readonly stream?: string | null
  readonly dryRun?: boolean | null
}

/**
 * Deletes ended sessions, in batches with pauses in between, each committed on its own: a fault half way leaves some deleted, and sending
 * it again deletes the rest. Running sessions, and those that ended less than 24 h ago, stay whatever is asked; so does one without
 * a completedAt, and one whose row another transaction holds just then.
 * Checkpoints and history stay; what refers to a pruned session answers null.
 * @returns how many were deleted; in a dry run, how many would be
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
