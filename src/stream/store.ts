import { Prisma } from '../database/generated/client.ts'
import { namedPlatforms, type Platform } from './platforms/platform.ts'

/**
 * The condition that keeps the rows of a platform.
 * The texts are literals, not parameters: the planner uses the partial indexes for OTHER only if it sees the same list.
 * @param table the alias of the table whose column `stream` is compared
 */
export function platformSql(platform: Platform, table: 'c' | 's' | 'st'): Prisma.Sql {
  if (platform.slug !== undefined) return Prisma.raw(`split_part(${table}.stream, '/', 1) = '${platform.slug}'`)
  const slugs = namedPlatforms.map(({ slug }) => `'${slug}'`).join(', ')
  return Prisma.raw(`split_part(${table}.stream, '/', 1) NOT IN (${slugs})`)
}

/**
 * A query for the names of the platform's streams that have sessions. Each is found by one step down an index from the
 * one before. A DISTINCT would read every row of the table (for 1,000,000 sessions on 4 streams, this reads 5 index
 * entries).
 */
export function streamsOfSessionsSql(platform: Platform): Prisma.Sql {
  return Prisma.sql`WITH RECURSIVE ${Prisma.raw(namesIn('crawl_session', 's'))} SELECT s.stream FROM s WHERE ${platformSql(platform, 's')}`
}

/**
 * A recursive part of a query: the distinct names in a column that an index begins with, as column `stream`.
 * @param as the part's name
 */
export function namesIn(table: 'crawl_checkpoint_other' | 'crawl_session', as: string): string {
  return `${as} (stream) AS (
    (SELECT t.stream FROM crawler.${table} t ORDER BY t.stream LIMIT 1)
    UNION ALL
    SELECT (SELECT t.stream FROM crawler.${table} t WHERE t.stream > ${as}.stream ORDER BY t.stream LIMIT 1)
    FROM ${as} WHERE ${as}.stream IS NOT NULL
  )`
}
