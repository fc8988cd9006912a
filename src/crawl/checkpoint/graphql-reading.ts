import { bySelectedNames } from '../../graphql/selected-names.ts'
import type { CheckpointReading } from './row.ts'

/** The fields of a checkpoint that its literal columns answer, and those of the list around it. */
const LITERAL: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'userId', 'stream', 'platform', 'lastItemId', 'lastTweetId', 'lastItemPublishedAt'],
  ...['lastCrawledAt', 'bookmarksCount', 'createdAt', 'updatedAt'],
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Of which the literal columns have the key; what is asked of it is read for itself. */
const BY_KEY: ReadonlySet<string> = new Set(['user'])

/** What has to be read of checkpoints for what is selected of them: all if anything is there that is not known to be literal. */
export const checkpointReadingOf = bySelectedNames<CheckpointReading>(BY_KEY, (names) =>
  [...names].every((name) => LITERAL.has(name)) ? 'literal' : 'all',
)
