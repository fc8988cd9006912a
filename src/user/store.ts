import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import { type KeysetPage, keysetSql, pageOf, type Page } from '../database/keyset.ts'
import { Prisma } from '../database/generated/client.ts'
import type { User } from './model.ts'

/** ok: the user exists now. not-ours: this database's users are made by somebody else; nothing was changed. */
export type InsertUserOutcome = 'ok' | 'not-ours' | 'too-long'

/** Makes the user unless there is one. */
export async function insertUser(database: Database, userId: string): Promise<InsertUserOutcome> {
  const known = await database.query({
    name: 'user_exists',
    text: 'SELECT FROM public."user" WHERE id = $1',
    values: [userId],
  })
  if (known.length > 0) return 'ok'
  try {
    await database.query({
      name: 'user_insert',
      text: 'INSERT INTO public."user" (id) VALUES ($1) ON CONFLICT (id) DO NOTHING',
      values: [userId],
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
