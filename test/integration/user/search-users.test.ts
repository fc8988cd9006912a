import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endOfPrefix } from '../../../src/user/search-store.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const USERS = [
  ...['ann', 'Ann', 'anna', 'annb', 'an', 'bob', 'a%', 'a%b', 'a_', 'a_b', 'axb', "o'hara", 'a\\b'],
  ...[
    'é',
    'e\u0301',
    'élan',
    'ß',
    'ss',
    'İ',
    'i',
    'ı',
    '日本',
    '日本語',
    '日月',
    '\u{1f512}',
    '\u{1f512}x',
    '\u{1f513}',
  ],
  ...[
    '\u{d7ff}',
    '\u{d7ff}x',
    '\u{e000}',
    '\u{10ffff}',
    '\u{10ffff}\u{10ffff}',
    '\u{10ffff}a',
    'z\u{10ffff}',
    'z\u{10ffff}b',
    '{',
  ],
]
/** As the database has to have it, by code points. */
const byCodePoints = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))
const found = (prefix: string) => USERS.filter((userId) => userId.startsWith(prefix)).sort(byCodePoints)

const SEARCH = `query ($prefix: String!, $first: Int, $after: String) { searchUsers(prefix: $prefix, first: $first, after: $after) {
  totalCount nodes { userId checkpoints { lastItemId } } edges { cursor node { userId } } pageInfo { hasNextPage hasPreviousPage endCursor } } }`

describe('searchUsers', () => {
  let waymark: TestWaymark
  let reader: Awaited<ReturnType<typeof keyedCaller>>
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' })
    reader = await keyedCaller(waymark, ['read'])
    await waymark.database.query('INSERT INTO public."user" SELECT unnest($1::text[])', [USERS])
    await waymark.database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('anna', 'twitter/bookmarks', '20')`,
    )
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const search = async (variables: Record<string, unknown>, asker: Pick<TestWaymark, 'ask'> = reader) =>
    (await asker.ask(SEARCH, variables))['searchUsers']
  const usersOf = (page: { nodes: { userId: string }[] }) => page.nodes.map(({ userId }) => userId)

  it.each([
    ...['ann', 'Ann', 'an', 'a%', 'a_', 'a\\', "o'", 'zzz', 'é', 'e', 's', 'i', '日', '日本', '\u{1f512}'],
    ...['\u{d7ff}', '\u{e000}', '\u{10ffff}', 'z\u{10ffff}', '\u{10ffff}\u{10ffff}', '', '%', '_', 'annb', 'annbc'],
  ])('finds who begins with %j, and nobody else', async (prefix) => {
    const page = await search({ prefix, first: 100 })
    expect(usersOf(page)).toEqual(found(prefix))
    expect(page.totalCount).toBe(found(prefix).length)
  })

  it('gives each once, by pages of any size', async () => {
    for (const prefix of ['', 'a']) {
      for (const first of [1, 3]) {
        const seen: string[] = []
        for (let after: string | null = null, more = true; more;) {
          const page: Record<string, any> = await search({ prefix, first, after })
          expect(page['pageInfo'].hasPreviousPage).toBe(after !== null)
          seen.push(...page['edges'].map(({ node }: { node: { userId: string } }) => node.userId))
          ;({ endCursor: after, hasNextPage: more } = page['pageInfo'])
        }
        expect(seen).toEqual(found(prefix))
      }
    }
    expect((await search({ prefix: 'a' })).nodes).toHaveLength(found('a').length)
    expect((await search({ prefix: 'a', first: 0 })).nodes).toEqual([])
    expect((await search({ prefix: 'anna', first: null })).nodes).toEqual([
      { userId: 'anna', checkpoints: [{ lastItemId: '20' }] },
    ])
  })

  it('finds only whom the caller can reach', async () => {
    const bound = await keyedCaller(waymark, ['read'], ['anna', 'bob', 'an', 'annc'])
    expect(usersOf(await search({ prefix: 'ann' }, bound))).toEqual(['anna'])
    const all = await search({ prefix: '', first: 2 }, bound)
    expect(usersOf(all)).toEqual(['an', 'anna'])
    expect(all.totalCount).toBe(3)
    expect(usersOf(await search({ prefix: '', first: 2, after: all.pageInfo.endCursor }, bound))).toEqual(['bob'])
    const crawler = await keyedCaller(waymark, ['crawl'])
    expect((await crawler.fail(SEARCH, { prefix: 'a' })).code).toBe('FORBIDDEN')
  })

  it('refuses what no userId can begin with, wrong sizes and cursors of other lists', async () => {
    const code = async (variables: Record<string, unknown>) => (await reader.fail(SEARCH, variables)).code
    for (const prefix of ['a\0', '\ud83d', 'a\n', 'x'.repeat(256)])
      expect(await code({ prefix })).toBe('BAD_USER_INPUT')
    expect((await search({ prefix: '\u{1f512}'.repeat(255) })).nodes).toEqual([])
    expect(await code({ prefix: 'a', first: 101 })).toBe('BAD_USER_INPUT')
    expect(await code({ prefix: 'a', first: -1 })).toBe('BAD_USER_INPUT')
    const { users } = await reader.ask('{ users(first: 1) { pageInfo { endCursor } } }')
    expect(await code({ prefix: 'a', after: users.pageInfo.endCursor })).toBe('BAD_USER_INPUT')
  })

  it('reads a prefix by an index, whatever the collation of the database', async () => {
    const [index] = await waymark.database.query<{ definition: string }>(
      `SELECT pg_get_indexdef('public.user_id_code_points'::regclass) AS definition`,
    )
    expect(index?.definition).toMatch(/\(id COLLATE "C"\)$/)
    await waymark.database.query(
      `INSERT INTO public."user" SELECT 'many-' || n FROM generate_series(1, 5000) n; ANALYZE public."user"`,
    )
    const plan = await waymark.database.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT u.id FROM public."user" u WHERE u.id COLLATE "C" >= 'ann' AND u.id COLLATE "C" < 'ano'
        ORDER BY u.id COLLATE "C" LIMIT 21`,
    )
    expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toMatch(/Index Only Scan using user_id_code_points/)
  })

  it('ends a prefix where the next text by code points begins', () => {
    expect(endOfPrefix('a')).toBe('b')
    expect(endOfPrefix('\u{d7ff}')).toBe('\u{e000}')
    expect(endOfPrefix('\u{ffff}')).toBe('\u{10000}')
    expect(endOfPrefix('a\u{10ffff}\u{10ffff}')).toBe('b')
    expect(endOfPrefix('\u{10ffff}')).toBeUndefined()
    expect(endOfPrefix('')).toBeUndefined()
  })
})
