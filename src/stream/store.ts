import { Prisma } from '../database/generated/client.ts'
import { namedPlatforms, type Platform } from './platform.ts'

/**
 * The condition that keeps the rows of a platform, on the column `stream` of the table in scope.
 * The texts are literals, not parameters: the partial indexes for OTHER are used only where the planner sees the same list.
 */
export function platformSql(platform: Platform): Prisma.Sql {
  if (platform.slug !== undefined) return Prisma.raw(`split_part(stream, '/', 1) = '${platform.slug}'`)
  const slugs = namedPlatforms.map(({ slug }) => `'${slug}'`).join(', ')
  return Prisma.raw(`split_part(stream, '/', 1) NOT IN (${slugs})`)
}
