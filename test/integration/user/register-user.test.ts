import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { createTestDatabase } from '../../support/database.ts'
import { clientOf, mutate, startOn, startWaymark, type TestWaymark } from '../../support/waymark.ts'

describe('registerUser', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const userIds = async () =>
    (await waymark.database.query<{ id: string }>('SELECT id FROM public."user" ORDER BY id')).map(({ id }) => id)

  it('makes a user, and returns them when they are registered again', async () => {
    const first = await mutate(waymark, 'registerUser', { userId: 'alice' })
    expect(first).toMatchObject({ __typename: 'RegisterUserSuccess', user: { userId: 'alice' } })
    expect(await mutate(waymark, 'registerUser', { userId: 'alice' })).toEqual(first)
    expect(await userIds()).toEqual(['alice'])
  })

  it.each([
    ['an empty ID', '', /empty/],
    ['256 characters', 'x'.repeat(256), /255/],
    ['a NUL', 'a\0b', /control/],
    ['a newline', 'a\nb', /control/],
    ['an unpaired surrogate', 'a\ud800b', /control/],
    ['a global id of this API', Buffer.from('User:alice').toString('base64'), /global id/],
  ])('refuses %s and writes nothing', async (_what, userId, message) => {
    const before = await userIds()
    const refused = await mutate(waymark, 'registerUser', { userId })
    expect(refused).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
    expect(refused.issues).toEqual([{ path: ['input', 'userId'], message: expect.stringMatching(message) }])
    expect(await userIds()).toEqual(before)
  })

  it('takes 255 characters, counted as PostgreSQL counts them', async () => {
    const userId = '\u{1f600}'.repeat(255)
    expect(await mutate(waymark, 'registerUser', { userId })).toMatchObject({ user: { userId } })
  })

  it('refuses a number as user ID instead of rounding it', async () => {
    const answer = await waymark.send('mutation { registerUser(input: { userId: 9007199254740993 }) { __typename } }')
    expect(answer.errors?.[0]?.message).toMatch(/String cannot represent/)
  })

  it('says that the owner makes the users where public.user needs more than an id, and changes nothing', async () => {
    await using database = await createTestDatabase('empty')
    await database.query('CREATE TABLE public."user" (id VARCHAR(255) PRIMARY KEY, email TEXT NOT NULL)')
    await database.query(`INSERT INTO public."user" VALUES ('known', 'known@example.org')`)
    await migrate({ databaseUrl: database.url })
    const app = await startOn(database.url)
    try {
      const client = clientOf(app.url)
      const refused = await mutate(client, 'registerUser', { userId: 'alice' })
      expect(refused).toMatchObject({ __typename: 'InvalidInputError' })
      expect(refused.issues?.[0]?.message).toMatch(/owner of public\."user" makes the users/)
      expect(await mutate(client, 'registerUser', { userId: 'known' })).toMatchObject({ user: { userId: 'known' } })
      expect(await database.query('SELECT id FROM public."user"')).toEqual([{ id: 'known' }])
    } finally {
      await app.close()
    }
  })
})
