import type { Reach } from '../identity/principal.ts'
import { Prisma } from './generated/client.ts'

/**
 * A reach as the parameter of `($n::text[] IS NULL OR x.user_id = ANY ($n))`. In the same statement, this condition
 * leaves out the rows that do not exist for a caller. null: every user.
 */
export function reachArray(reach: Reach): readonly string[] | null {
  return reach === 'all' ? null : [...reach]
}

/**
 * The same for SQL whose text varies anyway. For a caller who reaches every user there is no condition, so that plans
 * stay as they are.
 */
export function reachSql(column: Prisma.Sql, reach: Reach): Prisma.Sql {
  return reach === 'all' ? Prisma.sql`TRUE` : Prisma.sql`${column} = ANY (${[...reach]}::text[])`
}

/** The same for Prisma: spread it into the `where` of a model with a userId, beside its key. */
export function reachWhere(reach: Reach): { AND?: { userId: { in: string[] } } } {
  return reach === 'all' ? {} : { AND: { userId: { in: [...reach] } } }
}
