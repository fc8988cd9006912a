import { Prisma } from '../database/generated/client.ts'
import { namedPlatforms, type Platform } from './platform.ts'

/**
 * The condition that keeps the rows of a platform.
 * The texts are literals, not parameters: the partial indexes for OTHER are used only where the planner sees the same list.
 * @param table the alias whose column `stream` is meant
 */
export function platformSql(platform: Platform, table: 'c' | 's'): Prisma.Sql {
  if (platform.slug !== undefined) return Prisma.raw(`split_part(${table}.stream, '/', 1) = '${platform.slug}'`)
  const slugs = namedPlatforms.map(({ slug }) => `'${slug}'`).join(', ')
  return Prisma.raw(`split_part(${table}.stream, '/', 1) NOT IN (${slugs})`)
}
