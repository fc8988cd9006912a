import type { Database, Statement } from '../../database/database.ts'
import { Prisma } from '../../database/generated/client.ts'
import { type Direction, type KeysetPage, keysetSql, pageOf, type Page } from '../../database/keyset.ts'
import { reachArray, reachSql } from '../../database/reach.ts'
import { scan } from '../../database/scan.ts'
import { timeTextSql } from '../../database/time-column.ts'
import type { Reach } from '../../identity/principal.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { type Platform } from '../../stream/platforms/platform.ts'
import { platformSql } from '../../stream/store.ts'
import type { Checkpoint, CheckpointKey, LiteralCheckpoint } from './model.ts'
import { type CheckpointReading, type CheckpointRow, READINGS, toCheckpoint } from './row.ts'

/** The checkpoints that exist for these keys, in no particular order. */
export async function findCheckpoints(
  database: Database,
  reach: Reach,
  keys: readonly CheckpointKey[],
): Promise<Checkpoint[]> {
  return (await database.query<CheckpointRow>(byKey(reach, keys, 'all'))).map(toCheckpoint)
}

/** The same, without the columns of crawl_state. */
export function findLiteralCheckpoints(
  database: Database,
  reach: Reach,
  keys: readonly CheckpointKey[],
): Promise<LiteralCheckpoint[]> {
  return database.query<LiteralCheckpoint>(byKey(reach, keys, 'literal'))
}

function byKey(reach: Reach, keys: readonly CheckpointKey[], reading: CheckpointReading): Statement {
  const { columns, join } = READINGS[reading]
  return {
    name: `checkpoints_by_key_${reading}`,
    text: `SELECT ${columns} FROM unnest($1::text[], $2::text[]) AS k (user_id, stream)
      JOIN crawler.crawl_checkpoint c ON c.user_id = k.user_id AND c.stream = k.stream ${join}
      WHERE $3::text[] IS NULL OR c.user_id = ANY ($3)`,
    values: [keys.map((key) => key.userId), keys.map((key) => key.stream), reachArray(reach)],
  }
}

export interface CheckpointFilter {
  readonly userId: string | undefined
  readonly stream: string | undefined
  readonly platform: Platform | undefined
  /** Both bounds are exclusive. */
  readonly crawledBefore: Date | undefined
  readonly crawledAfter: Date | undefined
}

/**
 * A page of checkpoints by (lastCrawledAt, userId, stream). A checkpoint that is saved while a client pages may be
 * missed or met twice.
 */
export async function listCheckpoints(
  database: Database,
  reach: Reach,
  filter: CheckpointFilter,
  direction: Direction,
  page: KeysetPage,
  reading: CheckpointReading,
): Promise<Page<LiteralCheckpoint | Checkpoint>> {
  const { columns, join } = READINGS[reading]
  const key = [Prisma.sql`c.last_crawled_at`, Prisma.sql`c.user_id`, Prisma.sql`c.stream`]
  const rows = await database.query<(LiteralCheckpoint | CheckpointRow) & { crawledAtText: string }>(
    Prisma.sql`SELECT ${Prisma.raw(columns)}, ${Prisma.raw(timeTextSql('c.last_crawled_at'))} AS "crawledAtText"
      FROM crawler.crawl_checkpoint c ${Prisma.raw(join)}
      WHERE ${conditionSql(reach, filter)} AND ${keysetSql.after(key, direction, page)}
      ${keysetSql.orderAndLimit(key, direction, page)}`,
  )
  return pageOf(rows, page, (row) => ({
    node: 'state' in row ? toCheckpoint(row) : row,
    position: [row.crawledAtText, row.userId, row.stream],
  }))
}

export async function countCheckpoints(database: Database, reach: Reach, filter: CheckpointFilter): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM crawler.crawl_checkpoint c WHERE ${conditionSql(reach, filter)}`,
  )
  return row?.count ?? 0
}

function conditionSql(reach: Reach, filter: CheckpointFilter): Prisma.Sql {
  const conditions: Prisma.Sql[] = [reachSql(Prisma.sql`c.user_id`, reach)]
  if (filter.userId !== undefined) conditions.push(Prisma.sql`c.user_id = ${filter.userId}`)
  if (filter.stream !== undefined) conditions.push(Prisma.sql`c.stream = ${filter.stream}`)
  if (filter.platform) {
    conditions.push(platformSql(filter.platform, 'c'))
    // Tells the planner to skip the partition of twitter/bookmarks, since an expression prunes no partition.
    if (filter.platform.slug !== 'twitter')
      conditions.push(Prisma.sql`c.stream <> ${Prisma.raw(`'${DEFAULT_STREAM}'`)}`)
  }
  if (filter.crawledBefore) conditions.push(Prisma.sql`c.last_crawled_at < ${filter.crawledBefore}`)
  if (filter.crawledAfter) conditions.push(Prisma.sql`c.last_crawled_at > ${filter.crawledAfter}`)
  return Prisma.join(conditions, ' AND ')
}
