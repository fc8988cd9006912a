import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import { type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import { Prisma } from '../database/generated/client.ts'
import type { User } from './model.ts'

/** ok: the user exists now. not-ours: this database's users are made by somebody else; nothing was changed. */
export type InsertUserOutcome = 'ok' | 'not-ours' | 'too-long'

/** Makes those of the users that are missing, in two statements; all or none. */
export async function insertUsers(database: Database, userIds: readonly string[]): Promise<InsertUserOutcome> {
  // A role that may only read the table may not even try to insert what is there.
  const missing = await database.query<{ id: string }>({
    name: 'users_missing',
    text: 'SELECT w.id FROM unnest($1::text[]) AS w (id) WHERE NOT EXISTS (SELECT FROM public."user" u WHERE u.id = w.id)',
    values: [userIds],
  })
  if (missing.length === 0) return 'ok'
  try {
    await database.query({
      name: 'users_insert',
      text: 'INSERT INTO public."user" (id) SELECT unnest($1::text[]) ON CONFLICT (id) DO NOTHING',
      values: [missing.map(({ id }) => id)],
    })
    return 'ok'
  } catch (error) {
    const state = sqlState(error)
    if (state === '22001') return 'too-long'
    // 42501: the server's role may not insert. 23xxx: a column without a default, a CHECK, a foreign key of the owner's table. P0001: its trigger.
    // 42P10: its id is no unique column.
    if (state === '42501' || state === '42P10' || state === 'P0001' || state?.startsWith('23')) return 'not-ours'
    throw error
  }
}

export async function findUser(database: Database, userId: string): Promise<User | undefined> {
  const rows = await database.query({
    name: 'user_exists',
    text: 'SELECT FROM public."user" WHERE id = $1',
    values: [userId],
  })
  return rows.length > 0 ? { userId } : undefined
}

/** Users by ID, ascending as the database sorts text. */
export async function listUsers(database: Database, page: KeysetPage): Promise<Page<User>> {
  const id = Prisma.sql`u.id`
  const rows = await database.query<{ id: string }>(
    Prisma.sql`SELECT u.id FROM public."user" u
      WHERE ${keysetSql.after([id], 'ASC', page)} ${keysetSql.orderAndLimit([id], 'ASC', page)}`,
  )
  return pageOf(rows, page, ({ id: userId }) => ({ node: { userId }, position: [userId] }))
}

export async function countUsers(database: Database): Promise<number> {
  const [row] = await database.query<{ count: number }>({
    name: 'user_count',
    text: 'SELECT count(*)::integer AS count FROM public."user"',
    values: [],
  })
  return row?.count ?? 0
}
