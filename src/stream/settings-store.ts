import type { Database } from '../database/database.ts'
import { reachArray } from '../database/reach.ts'
import type { Reach } from '../identity/principal.ts'
import type { ItemOrdering, Stream } from './model.ts'
import { DEFAULT_STREAM } from './model.ts'
import { namesIn } from './store.ts'

/** The table's CHECK ensures that the text is one of the two. */
interface StreamRow {
  readonly name: string
  readonly ordering: ItemOrdering
}

/**
 * A condition: whether a table has a row of the stream. It is one step down the index; EXISTS may read the table
 * instead.
 */
const isStreamIn = (table: 'crawl_checkpoint_other' | 'crawl_session') =>
  `(SELECT t.stream FROM crawler.${table} t WHERE t.stream >= asked.name ORDER BY t.stream LIMIT 1) = asked.name`
const HAS_LITERAL_CHECKPOINTS =
  '(SELECT t.user_id FROM crawler.twitter_crawl_checkpoint t ORDER BY t.user_id LIMIT 1) IS NOT NULL'

/**
 * Every stream that has a checkpoint, a session or a setting, by name. For a caller who reaches some users: only
 * streams with a checkpoint or a session of theirs, since a setting alone would tell of other users.
 */
export async function listStreams(database: Database, reach: Reach): Promise<Stream[]> {
  if (reach !== 'all') return listStreamsOf(database, [...reach])
  return database.query<StreamRow>({
    name: 'streams',
    text: `WITH RECURSIVE ${namesIn('crawl_checkpoint_other', 'crawled')}, ${namesIn('crawl_session', 'run')},
      known (name) AS (
        SELECT stream FROM crawled UNION SELECT stream FROM run UNION SELECT stream FROM crawler.stream_setting
        UNION SELECT '${DEFAULT_STREAM}' WHERE ${HAS_LITERAL_CHECKPOINTS}
      )
      SELECT known.name, coalesce(setting.ordering, 'none') AS ordering
      FROM known LEFT JOIN crawler.stream_setting setting ON setting.stream = known.name
      WHERE known.name IS NOT NULL ORDER BY known.name COLLATE "C"`,
    values: [],
  })
}

/** The same for some users. It costs an index entry for each of their streams, however many sessions there are. */
function listStreamsOf(database: Database, userIds: readonly string[]): Promise<Stream[]> {
  const next = (condition: string) =>
    `(SELECT s.stream FROM crawler.crawl_session s WHERE s.user_id = run.user_id ${condition} ORDER BY s.stream LIMIT 1)`
  return database.query<StreamRow>({
    name: 'streams_of_users',
    text: `WITH RECURSIVE run (user_id, name) AS (
        SELECT run.user_id, ${next('')} FROM unnest($1::text[]) AS run (user_id)
        UNION ALL
        SELECT run.user_id, ${next('AND s.stream > run.name')} FROM run WHERE run.name IS NOT NULL
      ), known (name) AS (
        SELECT name FROM run UNION SELECT c.stream FROM crawler.crawl_checkpoint c WHERE c.user_id = ANY ($1::text[])
      )
      SELECT known.name, coalesce(setting.ordering, 'none') AS ordering
      FROM known LEFT JOIN crawler.stream_setting setting ON setting.stream = known.name
      WHERE known.name IS NOT NULL ORDER BY known.name COLLATE "C"`,
    values: [userIds],
  })
}

/** The streams with these names that listStreams would list. */
export async function findStreams(database: Database, reach: Reach, names: readonly string[]): Promise<Stream[]> {
  return database.query<StreamRow>({
    name: 'streams_by_name',
    text: `SELECT asked.name, coalesce(setting.ordering, 'none') AS ordering
      FROM unnest($1::text[]) AS asked (name) LEFT JOIN crawler.stream_setting setting ON setting.stream = asked.name
      WHERE CASE WHEN $2::text[] IS NULL THEN setting.stream IS NOT NULL
        OR ${isStreamIn('crawl_session')} OR ${isStreamIn('crawl_checkpoint_other')}
        OR asked.name = '${DEFAULT_STREAM}' AND ${HAS_LITERAL_CHECKPOINTS}
      ELSE EXISTS (SELECT FROM crawler.crawl_session s WHERE s.stream = asked.name AND s.user_id = ANY ($2))
        OR EXISTS (SELECT FROM crawler.crawl_checkpoint c WHERE c.stream = asked.name AND c.user_id = ANY ($2)) END`,
    values: [names, reachArray(reach)],
  })
}

/** The order that the saves of a stream must keep. */
export async function findOrdering(database: Database, name: string): Promise<ItemOrdering> {
  const [row] = await database.query<Pick<StreamRow, 'ordering'>>({
    name: 'stream_ordering',
    text: 'SELECT ordering FROM crawler.stream_setting WHERE stream = $1',
    values: [name],
  })
  return row?.ordering ?? 'none'
}

export async function storeOrdering({ prisma }: Database, { name, ordering }: Stream): Promise<void> {
  await prisma.streamSetting.upsert({
    where: { stream: name },
    create: { stream: name, ordering },
    update: { ordering },
  })
}
