import { bySelectedNames } from '../../graphql/selected-names.ts'
import { SUMMARY_FIELDS } from './model.ts'
import type { SessionReading } from './row.ts'

/** The fields of a session that a summary answers, and the fields of the lists around it. */
const IN_SUMMARY: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'platform', ...SUMMARY_FIELDS],
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Fields for which a summary holds the key. What is selected below them is read separately. */
const BY_KEY: ReadonlySet<string> = new Set(['user', 'checkpoint', 'revisions'])

const OF_POSITIONS = ['cursor', 'startCursor', 'endCursor']

/** What to read of sessions for the selected fields: all columns, unless a summary answers every field. */
export const readingOf = bySelectedNames<SessionReading>(BY_KEY, (names) => ({
  columns: [...names].every((name) => IN_SUMMARY.has(name)) ? 'summary' : 'all',
  positions: OF_POSITIONS.some((name) => names.has(name)),
}))
