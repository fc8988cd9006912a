import type { Reach } from '../identity/principal.ts'
import { Prisma } from './generated/client.ts'

/**
 * A reach as the parameter of `($n::text[] IS NULL OR x.user_id = ANY ($n))`: the condition that leaves out, in the same statement, the
 * rows that don't exist for a caller. null: everybody.
 */
export function reachArray(reach: Reach): readonly string[] | null {
  return reach === 'all' ? null : [...reach]
}

/** The same where the text varies anyway: without a condition for a caller who reaches everybody, so that plans stay as they are. */
export function reachSql(column: Prisma.Sql, reach: Reach): Prisma.Sql {
  return reach === 'all' ? Prisma.sql`TRUE` : Prisma.sql`${column} = ANY (${[...reach]}::text[])`
}

/** The same for Prisma: to be spread into the `where` of any model with a userId, beside its key. */
export function reachWhere(reach: Reach): { AND?: { userId: { in: string[] } } } {
  return reach === 'all' ? {} : { AND: { userId: { in: [...reach] } } }
}
