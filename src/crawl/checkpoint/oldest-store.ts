import type { Database } from '../../database/database.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import type { Checkpoint } from './model.ts'
import { type CheckpointRow, literalColumns, READINGS, toCheckpoint } from './row.ts'

/**
 * For each stream, the checkpoint whose last crawl is the longest ago. One statement, which reads one row for each
 * stream.
 * It names the partitions: with the parent table, all of twitter_crawl_checkpoint would be read for streams that it
 * cannot hold.
 */
export async function findOldestCheckpoints(
  database: Database,
  reach: Reach,
  names: readonly string[],
): Promise<Map<string, Checkpoint>> {
  const within = reach === 'all' ? '' : 'AND c.user_id = ANY ($2::text[])'
  const oldestIn = (partition: string, condition: string) => `
    SELECT ${literalColumns.named('c')}
    FROM crawler.${partition} c WHERE ${condition} ${within} ORDER BY c.last_crawled_at, c.user_id LIMIT 1`
  // With `>=` the planner uses the index that is in this order. With `=` it would walk the index by time through all
  // other streams, even for a stream that does not exist.
  const oldestOther = `SELECT next.* FROM (
      SELECT ${literalColumns.named('c')}
      FROM crawler.crawl_checkpoint_other c WHERE c.stream >= asked.name ORDER BY c.stream, c.last_crawled_at, c.user_id LIMIT 1
    ) AS next WHERE next.stream = asked.name`
  const rows = await database.query<CheckpointRow>({
    name: reach === 'all' ? 'streams_oldest_checkpoint' : 'streams_oldest_checkpoint_of_users',
    text: `SELECT ${READINGS.all.columns} FROM unnest($1::text[]) AS asked (name) CROSS JOIN LATERAL (
        (${oldestIn('twitter_crawl_checkpoint', `asked.name = '${DEFAULT_STREAM}'`)})
        UNION ALL
        (${reach === 'all' ? oldestOther : oldestIn('crawl_checkpoint_other', 'c.stream = asked.name')})
      ) c ${READINGS.all.join}`,
    values: reach === 'all' ? [names] : [names, reachArray(reach)],
  })
  return new Map(rows.map((row) => [row.stream, toCheckpoint(row)]))
}
