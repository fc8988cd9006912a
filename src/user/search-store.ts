import type { Database } from '../database/database.ts'
import { Prisma } from '../database/generated/client.ts'
import { type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import { reachSql } from '../database/reach.ts'
import { scan } from '../database/scan.ts'
import type { Reach } from '../identity/principal.ts'
import type { User } from './model.ts'

/**
 * Text compares by code points, whatever the collation of the database: only so are all texts with one prefix next to
 * each other. The index user_id_code_points has this order.
 */
const ID = Prisma.sql`u.id COLLATE "C"`

/** A page of the users whose ID begins with the prefix, in the order of code points. '': of all users. */
export async function searchUsers(
  database: Database,
  reach: Reach,
  prefix: string,
  page: KeysetPage,
): Promise<Page<User>> {
  const rows = await database.query<User>(Prisma.sql`
    SELECT u.id AS "userId" FROM public."user" u
    WHERE ${hasPrefixSql(reach, prefix)} AND ${keysetSql.after([ID], 'ASC', page)} ${keysetSql.orderAndLimit([ID], 'ASC', page)}`)
  return pageOf(rows, page, (user) => ({ node: user, position: [user.userId] }))
}

/** How many users have an ID that begins with the prefix. */
export async function countFoundUsers(database: Database, reach: Reach, prefix: string): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM public."user" u WHERE ${hasPrefixSql(reach, prefix)}`,
  )
  return row?.count ?? 0
}

function hasPrefixSql(reach: Reach, prefix: string): Prisma.Sql {
  const end = endOfPrefix(prefix)
  const below = end === undefined ? Prisma.sql`TRUE` : Prisma.sql`${ID} < ${end}`
  return Prisma.sql`${reachSql(Prisma.sql`u.id`, reach)} AND ${ID} >= ${prefix} AND ${below}`
}

const LAST_CODE_POINT = 0x10ffff
const [BEFORE_SURROGATES, AFTER_SURROGATES] = [0xd7ff, 0xe000]

/**
 * The first text behind all texts that begin with the prefix, by code points; undefined: none is behind them.
 * @param prefix without unpaired surrogates
 */
export function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  while (points.at(-1) === LAST_CODE_POINT) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1)
}
