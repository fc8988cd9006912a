import { type Principal, requireFullReach } from '../identity/principal.ts'
import type { Database } from '../database/database.ts'
import { InvalidInputError } from '../errors/domain-error.ts'
import { issuesOf } from '../errors/input-issues.ts'
import { platformOf, type Stream, streamNameSchema } from './model.ts'
import { isOrdered } from './platforms/platform.ts'
import { listStreams, storeOrdering } from './settings-store.ts'

/**
 * Every stream that has a checkpoint, a session or a setting, by name. A caller bound to some users gets the streams in
 * which one of them has a checkpoint or a session.
 */
export function allStreams(database: Database, caller: Principal): Promise<Stream[]> {
  return listStreams(database, caller.userIds)
}

/**
 * Sets the rule for a stream's saves from now on. What is stored stays, whatever its order.
 * The stream need not have been crawled yet.
 * @throws Fault FORBIDDEN if the caller is bound to some users: the rule applies to the saves of all users
 */
export async function configureStream(
  database: Database,
  caller: Principal,
  stream: Stream,
): Promise<Stream | InvalidInputError> {
  requireFullReach(caller)
  const issues = issuesOf(streamNameSchema.safeParse(stream.name), ['input', 'name'])
  const platform = platformOf(stream.name)
  if (issues.length === 0 && stream.ordering === 'ascending' && !isOrdered(platform)) {
    issues.push({
      path: ['input', 'ordering'],
      message: `must be NONE: item IDs of the platform ${platform.name} have no order to ascend in`,
    })
  }
  if (issues.length > 0) return new InvalidInputError(issues)
  await storeOrdering(database, stream)
  return stream
}
