import { type Caller, requireScope } from '../caller.ts'
import type { Database } from '../database/database.ts'
import { InvalidInputError } from '../domain-error.ts'
import { issuesOf } from '../input-issues.ts'
import { platformOf, type Stream, streamNameSchema } from './model.ts'
import { isOrdered } from './platform.ts'
import { listStreams, storeOrdering } from './settings-store.ts'

/** Every stream that has a checkpoint, a session or a setting, by name. */
export async function allStreams(database: Database, caller: Caller): Promise<Stream[]> {
  requireScope(caller, 'read')
  return listStreams(database)
}

/**
 * Sets what a stream demands of its saves from now on; what is stored stays, whatever its order.
 * The stream need not have been crawled yet.
 */
export async function configureStream(
  database: Database,
  caller: Caller,
  stream: Stream,
): Promise<Stream | InvalidInputError> {
  requireScope(caller, 'operate')
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
