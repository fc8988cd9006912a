import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../../src/errors/fault.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { createWorld, principalOf } from '../access/worlds.ts'
import { type Lists, startLists } from '../move/lists.ts'
import { withClient } from '../../support/database.ts'
import { mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const STREAM = 'twitter/bookmarks'
/** The fields of a checkpoint that are fields of the input too. */
const STATE = `userId stream lastItemId bookmarksCount lastCrawledAt createdAt lastCompletedAt pageToken headItemIds anchorItemIds
  complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt }`
const EXPORT = `query ($after: String) { checkpoints(first: 3, after: $after) {
  nodes { ${STATE} lastTweetId platform lastItemPublishedAt } pageInfo { hasNextPage endCursor } } }`
const IMPORT = `mutation ($inputs: [ImportCheckpointInput!]!) { results: importCheckpoints(inputs: $inputs) { __typename
  ... on UserError { code message } ... on InvalidInputError { issues { path message } } ... on StreamBusyError { owner { sessionId } }
  ... on ImportCheckpointSuccess { created checkpoint { ${STATE} version epoch } } } }`

async function exportAll(waymark: TestWaymark): Promise<Record<string, any>[]> {
  const states: Record<string, any>[] = []
  for (let after: string | null = null, more = true; more;) {
    const { checkpoints }: Record<string, any> = await waymark.ask(EXPORT, { after })
    states.push(...checkpoints.nodes)
    ;({ hasNextPage: more, endCursor: after } = checkpoints.pageInfo)
  }
  return states.sort((a, b) => `${a['userId']} ${a['stream']}`.localeCompare(`${b['userId']} ${b['stream']}`))
}

const DERIVED = new Set(['lastTweetId', 'platform', 'lastItemPublishedAt'])
const toInput = (state: Record<string, any>): Record<string, any> =>
  Object.fromEntries(Object.entries(state).filter(([name]) => !DERIVED.has(name)))
const importInto = async (waymark: Pick<TestWaymark, 'ask'>, inputs: readonly Record<string, unknown>[]) =>
  (await waymark.ask<{ results: MutationResult[] }>(IMPORT, { inputs })).results

describe('importCheckpoints', () => {
  let lists: Lists
  let userId: string
  beforeAll(async () => {
    lists = await startLists()
  })
  afterAll(() => lists[Symbol.asyncDispose]())
  beforeEach(async () => {
    userId = await lists.user()
  })

  const sql = (text: string, values: unknown[] = [userId]) =>
    lists.waymark.database.query<Record<string, unknown>>(text, values)
  const stateOf = (input: Record<string, unknown> = {}) => ({
    ...{ userId, stream: STREAM, lastItemId: '20', bookmarksCount: 9, lastCrawledAt: '2026-01-02T03:04:05.678Z' },
    ...{ headItemIds: [], anchorItemIds: ['20', '19', '18'], complete: true, ...input },
  })
  const importAll = (...inputs: Record<string, unknown>[]) => importInto(lists.waymark, inputs)

  it('brings an export into an empty database, where it is exported the same', async () => {
    await using source = await startLists()
    const [one, two, three, four] = [await source.user(), await source.user(), await source.user(), await source.user()]
    // Unfinished with a catch-up, complete, a full pass before and after its first item, other platforms, a large count.
    for (const user of [one, two, three, four]) await source.fillList(user)
    const start = async (user: string, mode: string) =>
      (await source.run('startSession', { userId: user, mode }))['session'].sessionId as string
    await mutate(source.waymark, 'completeSession', { sessionId: await start(two, 'AUTO') })
    await start(three, 'FULL')
    await source.run('saveCheckpoint', {
      userId: four,
      sessionId: await start(four, 'FULL'),
      itemId: '41',
      pageToken: 'é 🔖',
    })
    await source.run('saveCheckpoint', {
      userId: one,
      stream: 'x/MiXed.Case',
      itemId: 'any — text',
      bookmarksCount: 2_147_483_647,
    })
    await source.run('saveCheckpoint', {
      userId: one,
      stream: 'linkedin/saved',
      itemId: 'urn:li:linkedInArticle:8918538953396427236',
    })
    await source.run('saveCheckpoint', {
      userId: two,
      stream: 'reddit/saved',
      itemId: 't3_a',
      crawledAt: '2020-01-01T00:00:00Z',
    })
    const exported = await exportAll(source.waymark)
    expect(exported).toHaveLength(7)

    await using target = await startWaymark()
    const results = await importInto(target, exported.map(toInput))
    expect(results.map(({ __typename, created }) => [__typename, created])).toEqual(
      exported.map(() => ['ImportCheckpointSuccess', true]),
    )
    expect(results.map(({ checkpoint }) => checkpoint)).toMatchObject(exported.map(toInput))
    expect(await exportAll(target)).toEqual(exported)
    // The next crawls are the same.
    const plan = `query ($userId: String!) { resumePlan(userId: $userId) { mode afterItemId pageToken untilItemIds } }`
    for (const user of [one, two, three, four]) {
      expect(await target.ask(plan, { userId: user })).toEqual(await source.waymark.ask(plan, { userId: user }))
    }
    const revisions = `SELECT DISTINCT source, actor, version, session_id, epoch FROM crawler.checkpoint_revision`
    expect(await target.database.query(revisions)).toEqual([
      { source: 'IMPORT', actor: 'local', version: 1, session_id: null, epoch: 0 },
    ])
    expect(await target.database.query('SELECT count(*)::integer AS sessions FROM crawler.crawl_session')).toEqual([
      { sessions: 0 },
    ])

    // Again: the same state, without a version, a revision or an event more.
    const counts = `SELECT (SELECT count(*) FROM crawler.checkpoint_revision) AS revisions, (SELECT count(*) FROM crawler.feed_event) AS events,
      (SELECT count(*) FROM crawler.item_list) AS lists, (SELECT max(updated_at) FROM crawler.crawl_checkpoint) AS updated`
    const before = await target.database.query(counts)
    expect((await importInto(target, exported.map(toInput))).map(({ created }) => created)).toEqual(
      exported.map(() => false),
    )
    expect(await exportAll(target)).toEqual(exported)
    expect(await target.database.query(counts)).toEqual(before)
  }, 120_000)

  it('carries a pause', async () => {
    const pause = { pausedUntil: '2027-03-04T05:06:07.000Z', pauseReason: 'suspended', pausedBy: 'key:crawler' }
    await importAll(stateOf(pause))
    expect(await lists.pauseOf(userId)).toEqual([pause.pausedUntil, pause.pauseReason, pause.pausedBy])
    // By the caller, where nobody is named.
    await importAll(stateOf({ pausedUntil: '2027-03-04T05:06:07.000Z' }))
    expect(await lists.pauseOf(userId)).toEqual([pause.pausedUntil, null, 'local'])
    // One that is over is none, and so is null.
    await importAll(stateOf({ pausedUntil: '2025-01-01T00:00:00Z', pauseReason: 'over' }))
    expect(await lists.pauseOf(userId)).toBeUndefined()
    await importAll(stateOf(pause))
    await importAll(stateOf())
    expect(await lists.pauseOf(userId)).toBeUndefined()
  })

  it('overwrites the whole of what is there, as IMPORT above its version', async () => {
    await lists.fillList(userId)
    await lists.pause(userId, '2030-01-01')
    const createdAt = '2021-01-01T00:00:00.000Z'
    const given = stateOf({ createdAt, lastCompletedAt: '2025-05-05T05:05:05.000Z' })
    const [result] = await importAll(given)
    expect(result).toMatchObject({
      created: false,
      checkpoint: { ...given, version: 5, epoch: 0, pageToken: null, catchUp: null, fullPass: false },
    })
    expect(await lists.pauseOf(userId)).toBeUndefined()
    expect((await lists.history(userId))[0]).toEqual([5, 'IMPORT', '20', 9])
    // createdAt stays where none is given.
    expect((await importAll(stateOf()))[0]).toMatchObject({
      checkpoint: { createdAt, lastCompletedAt: null },
    })
    expect(await lists.run('rollbackCheckpoint', { userId, stream: STREAM, toVersion: 4 })).toMatchObject({
      checkpoint: { lastItemId: '60', pageToken: 'older', catchUp: { lastItemId: '80' } },
    })
  })

  it('tells the feeds SAVED: with a version where the state changed, and the same one where only times did', async () => {
    const events = () =>
      sql(
        'SELECT kind, version, last_item_id, bookmarks_count FROM crawler.feed_event WHERE user_id = $1 ORDER BY event_id',
      )
    const event = { kind: 'CHECKPOINT_SAVED', version: 1, last_item_id: '20', bookmarks_count: 9 }
    await importAll(stateOf())
    await importAll(stateOf())
    expect(await events()).toEqual([event])
    await importAll(stateOf({ lastCompletedAt: '2026-01-03T00:00:00Z' }))
    await importAll(stateOf({ lastCompletedAt: '2026-01-03T00:00:00Z', pausedUntil: '2027-01-03T00:00:00Z' }))
    expect(await events()).toEqual([event, event, event])
    await importAll(stateOf({ anchorItemIds: ['20', '19'] }))
    expect((await events()).slice(3)).toEqual([{ ...event, version: 2 }])
  })

  it('forgets the keys of what it overwrites', async () => {
    const save = () => lists.run('saveCheckpoint', { userId, itemId: '21', bookmarksAdded: 1, idempotencyKey: 'k' })
    await save()
    await importAll(stateOf())
    expect(await save()).toMatchObject({ replayed: false, checkpoint: { bookmarksCount: 10 } })
  })

  it('judges each alone and in order: twice the same list, an owned one, an invalid one', async () => {
    const busy = await lists.user()
    await lists.run('saveCheckpoint', { userId: busy, itemId: '20' })
    const { session } = await lists.run('startSession', { userId: busy })
    const results = await importAll(
      stateOf({ bookmarksCount: 1 }),
      stateOf({ userId: busy }),
      stateOf({ lastItemId: 'x' }),
      stateOf({ bookmarksCount: 2, lastItemId: '21' }),
      stateOf({ userId: busy, stream: 'reddit/saved', lastItemId: 't3_a', anchorItemIds: [] }),
      stateOf({ userId: `${userId}-new` }),
    )
    expect(results).toMatchObject([
      { created: true, checkpoint: { bookmarksCount: 1, version: 1 } },
      { code: 'STREAM_BUSY', owner: { sessionId: session.sessionId } },
      { code: 'INVALID_INPUT', issues: [{ path: ['inputs', '2', 'lastItemId'] }] },
      { created: false, checkpoint: { bookmarksCount: 2, version: 2 } },
      { created: true },
      { created: true, checkpoint: { userId: `${userId}-new` } },
    ])
    expect(await lists.checkpoint(busy)).toMatchObject({ version: 1, anchorItemIds: [] })
    await mutate(lists.waymark, 'stopSession', { sessionId: session.sessionId })
    expect(await importAll(stateOf({ userId: busy }))).toMatchObject([{ created: false }])
  })

  const catchUp = { lastItemId: null, pageToken: null, headItemIds: [], startedAt: '2026-01-02T00:00:00Z' }
  it.each<[string, Record<string, unknown>, string[]]>([
    ['no user', { userId: '' }, ['userId']],
    ['a global id', { userId: Buffer.from('User:ada').toString('base64') }, ['userId']],
    ['a stream that is none', { stream: 'Twitter/bookmarks' }, ['stream']],
    ['an item that the platform cannot have', { lastItemId: '020' }, ['lastItemId']],
    ['an empty item', { lastItemId: '' }, ['lastItemId']],
    ['an item of a time to come', { lastItemId: '9223372036854775807' }, ['lastItemId']],
    ['an odd ID in the head', { headItemIds: ['20', 'ad', '19'] }, ['headItemIds', '1']],
    ['an odd ID in the anchors', { anchorItemIds: ['a\0'] }, ['anchorItemIds', '0']],
    ['51 in the head', { headItemIds: Array.from({ length: 51 }, (_, n) => String(n + 1)) }, ['headItemIds']],
    ['51 anchors', { anchorItemIds: Array.from({ length: 51 }, (_, n) => String(n + 1)) }, ['anchorItemIds']],
    ['a negative count', { bookmarksCount: -1 }, ['bookmarksCount']],
    ['a crawl before 2000', { lastCrawledAt: '1999-12-31T23:59:59Z' }, ['lastCrawledAt']],
    ['a crawl in two days', { lastCrawledAt: inDays(2) }, ['lastCrawledAt']],
    ['made in two days', { createdAt: inDays(2) }, ['createdAt']],
    ['completed in two days', { lastCompletedAt: inDays(2) }, ['lastCompletedAt']],
    ['a long token', { pageToken: 'é'.repeat(4_097) }, ['pageToken']],
    ['a token with NUL', { pageToken: 'a\0' }, ['pageToken']],
    ['a full pass that is complete', { fullPass: true }, ['fullPass']],
    ['an item of no full pass', { complete: false, fullPassHasItem: true }, ['fullPassHasItem']],
    ['a catch-up that is complete', { catchUp }, ['catchUp']],
    [
      'a catch-up at an odd item',
      { complete: false, catchUp: { ...catchUp, lastItemId: 'x' } },
      ['catchUp', 'lastItemId'],
    ],
    [
      'a catch-up with an odd head',
      { complete: false, catchUp: { ...catchUp, headItemIds: ['1', 'x'] } },
      ['catchUp', 'headItemIds', '1'],
    ],
    [
      'a catch-up with a long token',
      { complete: false, catchUp: { ...catchUp, pageToken: 'x'.repeat(8_193) } },
      ['catchUp', 'pageToken'],
    ],
    [
      'a catch-up of 1999',
      { complete: false, catchUp: { ...catchUp, startedAt: '1999-01-01T00:00:00Z' } },
      ['catchUp', 'startedAt'],
    ],
    ['a pause of more than 400 days', { pausedUntil: inDays(401) }, ['pausedUntil']],
    ['a reason without a pause', { pauseReason: 'x' }, ['pauseReason']],
    ['somebody without a pause', { pausedBy: 'x' }, ['pausedBy']],
    ['a long reason', { pausedUntil: inDays(1), pauseReason: 'x'.repeat(501) }, ['pauseReason']],
    ['an empty name of who paused', { pausedUntil: inDays(1), pausedBy: '' }, ['pausedBy']],
  ])('is INVALID_INPUT with %s, and writes nothing of it', async (_what, input, path) => {
    expect(await importAll(stateOf(input), stateOf({ stream: 'x/y' }))).toMatchObject([
      { code: 'INVALID_INPUT', issues: [{ path: ['inputs', '0', ...path] }] },
      { created: true },
    ])
    expect(await sql('SELECT stream FROM crawler.crawl_checkpoint WHERE user_id = $1')).toEqual([{ stream: 'x/y' }])
  })

  it('names every wrong value at once', async () => {
    const [result] = await importAll(
      stateOf({ lastItemId: 'x', bookmarksCount: -1, headItemIds: ['y', 'z'], pauseReason: 'r' }),
    )
    expect(result?.issues?.map(({ path }) => path.slice(2).join('.'))).toEqual([
      'bookmarksCount',
      'lastItemId',
      'headItemIds.0',
      'headItemIds.1',
      'pauseReason',
    ])
  })

  it('can be nothing', async () => {
    expect(await importAll()).toEqual([])
  })

  it('writes thousands in sets, and holds no list for long', async () => {
    const many = Array.from({ length: 3_000 }, (_, n) => ({
      ...{ userId: `${userId}-${n}`, stream: STREAM, lastItemId: '20', bookmarksCount: n },
      ...{ lastCrawledAt: '2026-01-02T00:00:00Z', headItemIds: [], anchorItemIds: [], complete: true },
    }))
    const short =
      'mutation ($inputs: [ImportCheckpointInput!]!) { results: importCheckpoints(inputs: $inputs) { __typename ... on ImportCheckpointSuccess { created } } }'
    const { results } = await lists.waymark.ask(short, { inputs: many })
    expect(results).toHaveLength(3_000)
    expect(new Set(results.map(({ created }: { created: boolean }) => created))).toEqual(new Set([true]))
    const [transactions] = await sql(
      `SELECT count(DISTINCT xmin::text)::integer AS count, count(*)::integer AS lists, sum(bookmarks_count)::integer AS sum
       FROM crawler.crawl_checkpoint WHERE user_id LIKE $1 || '-%'`,
    )
    expect(transactions).toEqual({ count: 15, lists: 3_000, sum: (2_999 * 3_000) / 2 })
  }, 120_000)

  it('writes the others of a set where somebody holds a list of it, and says that it is to be sent again', async () => {
    await importAll(stateOf({ stream: 'x/1', anchorItemIds: [] }))
    const inputs = ['x/0', 'x/1', 'x/2'].map((stream) => stateOf({ stream, bookmarksCount: 77 }))
    await lists.waymark.database.query(`ALTER FUNCTION crawler.lock_checkpoint SET lock_timeout = '300ms'`)
    await withClient(lists.waymark.database.url, async (client) => {
      await client.query('BEGIN')
      await client.query(`SELECT FROM crawler.crawl_checkpoint WHERE user_id = $1 AND stream = 'x/1' FOR UPDATE`, [
        userId,
      ])
      expect((await lists.waymark.fail(IMPORT, { inputs })).code).toBe('SERVICE_UNAVAILABLE')
      await client.query('COMMIT')
    })
    const counts = () =>
      sql('SELECT stream, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1 ORDER BY stream')
    expect((await counts()).map(({ bookmarks_count }) => bookmarks_count)).toEqual([77, 9, 77])
    expect((await importAll(...inputs)).map(({ created }) => created)).toEqual([false, false, false])
    expect((await counts()).map(({ bookmarks_count }) => bookmarks_count)).toEqual([77, 77, 77])
  })
})

describe('importCheckpoints by a caller', () => {
  it('needs the scope operate, makes users within reach, and nobody else', async () => {
    await using world = await createWorld()
    await world.database.query(`INSERT INTO public."user" VALUES ('ann'), ('eve')`)
    const importAs = async (scopes: Parameters<typeof principalOf>[1], ...userIds: string[]) => {
      const inputs = userIds.map((userId) => ({
        ...{ userId, stream: STREAM, lastItemId: '20', bookmarksCount: 1, lastCrawledAt: '2026-01-01T00:00:00Z' },
        ...{ headItemIds: [], anchorItemIds: [], complete: false },
      }))
      const { data, errors } = await world.ask(principalOf('key:ours', scopes, ['ann', 'zoe']), IMPORT, { inputs })
      return errors ? (errors[0]?.originalError as Fault).code : (data?.['results'] as MutationResult[])
    }
    expect(await importAs(['read', 'crawl'], 'ann')).toBe('FORBIDDEN')
    const results = (await importAs(['operate', 'read'], 'ann', 'eve', 'nil', 'zoe')) as MutationResult[]
    expect(results).toMatchObject([
      { created: true },
      { code: 'INVALID_INPUT', issues: [{ path: ['inputs', '1', 'userId'] }] },
      { code: 'INVALID_INPUT', issues: [{ path: ['inputs', '2', 'userId'] }] },
      { created: true },
    ])
    expect(results[1]?.issues?.[0]?.message).toBe(results[2]?.issues?.[0]?.message)
    expect(await world.database.query('SELECT user_id FROM crawler.crawl_checkpoint ORDER BY 1')).toEqual([
      { user_id: 'ann' },
      { user_id: 'zoe' },
    ])
    expect(await world.database.query('SELECT id FROM public."user" ORDER BY 1')).toEqual([
      { id: 'ann' },
      { id: 'eve' },
      { id: 'zoe' },
    ])
  })
})

describe('more than 10,000', () => {
  it('are refused as a whole', async () => {
    await using world = await createWorld()
    const state = {
      ...{ userId: 'ann', stream: 'x/y', lastItemId: '20', bookmarksCount: 1, lastCrawledAt: '2026-01-01T00:00:00Z' },
      ...{ headItemIds: [], anchorItemIds: [], complete: false },
    }
    // A request of 1 MiB has no room for so many, so the inside is asked.
    const { errors } = await world.ask(localOperator, IMPORT, { inputs: Array.from({ length: 10_001 }, () => state) })
    expect((errors?.[0]?.originalError as Fault).code).toBe('BAD_USER_INPUT')
    expect(await world.database.query('SELECT FROM public."user"')).toEqual([])
  })
})

function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString()
}
