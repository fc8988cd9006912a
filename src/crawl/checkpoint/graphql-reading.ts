import { bySelectedNames } from '../../graphql/selected-names.ts'
import type { CheckpointReading } from './row.ts'

/** The fields of a checkpoint that the columns of crawl_checkpoint answer, and the fields of the list around it. */
const LITERAL: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'userId', 'stream', 'platform', 'lastItemId', 'lastTweetId', 'lastItemPublishedAt'],
  ...['lastCrawledAt', 'bookmarksCount', 'createdAt', 'updatedAt'],
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Fields for which those columns hold the key. What is selected below them is read separately. */
const BY_KEY: ReadonlySet<string> = new Set(['user', 'pause'])

/** Which columns to read for the selected fields: all, unless every field is known to be a literal one. */
export const checkpointReadingOf = bySelectedNames<CheckpointReading>(BY_KEY, (names) =>
  [...names].every((name) => LITERAL.has(name)) ? 'literal' : 'all',
)
