import { bySelectedNames } from '../../graphql/selected-names.ts'
import { SUMMARY_FIELDS } from './model.ts'
import type { SessionReading } from './row.ts'

/** The fields of a session that a summary answers, and those of the lists around it. */
const IN_SUMMARY: ReadonlySet<string> = new Set([
  ...['__typename', 'id', 'platform', ...SUMMARY_FIELDS],
  ...['nodes', 'edges', 'node', 'cursor', 'pageInfo', 'totalCount', 'feedCursor'],
  ...['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor'],
])
/** Of which a summary knows the keys; what is asked of them is read for itself. */
const BY_KEY: ReadonlySet<string> = new Set(['user', 'checkpoint'])

const OF_POSITIONS = ['cursor', 'startCursor', 'endCursor']

/** What has to be read of sessions for what is selected of them: all columns if anything is there that no summary answers. */
export const readingOf = bySelectedNames<SessionReading>(BY_KEY, (names) => ({
  columns: [...names].every((name) => IN_SUMMARY.has(name)) ? 'summary' : 'all',
  positions: OF_POSITIONS.some((name) => names.has(name)),
}))
