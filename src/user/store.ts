import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import { Prisma } from '../database/generated/client.ts'
import { reachArray, reachSql, reachWhere } from '../database/reach.ts'
import { scan } from '../database/scan.ts'
import { type Reach, reaches } from '../identity/principal.ts'
import type { User } from './model.ts'

/**
 * ok: the user exists now. not-ours: another application makes this database's users. too-long: the column is too
 * narrow. out-of-reach: a user is out of reach, and the database was not asked. Only ok changed anything.
 */
export type InsertUserOutcome = 'ok' | 'not-ours' | 'too-long' | 'out-of-reach'

/** Makes the users that are missing, in two statements; all or none. */
export async function insertUsers(
  database: Database,
  reach: Reach,
  userIds: readonly string[],
): Promise<InsertUserOutcome> {
  if (!userIds.every((userId) => reaches(reach, userId))) return 'out-of-reach'
  // A role that may only read the table may not even try to insert users that exist.
  const missing = await database.query<{ id: string }>({
    name: 'users_missing',
    text: 'SELECT w.id FROM unnest($1::text[]) AS w (id) WHERE NOT EXISTS (SELECT FROM public."user" u WHERE u.id = w.id)',
    values: [userIds],
  })
  if (missing.length === 0) return 'ok'
  try {
    const insert = {
      name: 'users_insert',
      text: 'INSERT INTO public."user" (id) SELECT unnest($1::text[]) ON CONFLICT (id) DO NOTHING',
      values: [missing.map(({ id }) => id)],
    }
    // Users are in no feed, so there is no news.
    await database.write(insert, () => false)
    return 'ok'
  } catch (error) {
    const state = sqlState(error)
    if (state === '22001') return 'too-long'
    // 42501: the server's role may not insert. 23xxx: a column without a default, a CHECK or a foreign key of the
    // owner's table. P0001: its trigger. 42P10: its id has no unique index.
    if (state === '42501' || state === '42P10' || state === 'P0001' || state?.startsWith('23')) return 'not-ours'
    throw error
  }
}

/** The users that exist with these IDs, in no particular order. */
export async function findUsers(database: Database, reach: Reach, userIds: readonly string[]): Promise<User[]> {
  const rows = await database.query<{ id: string }>({
    name: 'users_by_id',
    text: 'SELECT u.id FROM public."user" u WHERE u.id = ANY ($1::text[]) AND ($2::text[] IS NULL OR u.id = ANY ($2))',
    values: [userIds, reachArray(reach)],
  })
  return rows.map(({ id: userId }) => ({ userId }))
}

export async function isUser({ prisma }: Database, reach: Reach, userId: string): Promise<boolean> {
  return (await prisma.user.findUnique({ where: { userId, ...reachWhere(reach) } })) !== null
}

export async function countUsers(database: Database, reach: Reach): Promise<number> {
  const [row] = await scan<{ count: number }>(
    database,
    Prisma.sql`SELECT count(*)::integer AS count FROM public."user" u WHERE ${reachSql(Prisma.sql`u.id`, reach)}`,
  )
  return row?.count ?? 0
}
