import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { takeBackFrom } from '../database/rollback.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const PLAYLIST = 'youtube/PLrAXtmErZgOe'
const TWIN = 'youtube/plraxtmerzgoe'

describe('names of lists that differ in their case', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'ada' })
    await mutate(waymark, 'saveCheckpoint', {
      userId: 'ada',
      stream: PLAYLIST,
      itemId: 'aN46pEO_jX8',
      bookmarksCount: 7,
    })
    await mutate(waymark, 'saveCheckpoint', { userId: 'ada', stream: TWIN, itemId: 'bN46pEO_jX8' })
    await mutate(waymark, 'saveCheckpoint', { userId: 'ada', stream: TWIN, itemId: 'cN46pEO_jX8' })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('are two lists with a checkpoint, a plan and a history each', async () => {
    const answer = await waymark.ask(
      `query ($one: String!, $twin: String!) {
        one: checkpoint(userId: "ada", stream: $one) { stream platform lastItemId bookmarksCount version }
        twin: checkpoint(userId: "ada", stream: $twin) { stream platform lastItemId bookmarksCount version }
        plan: resumePlan(userId: "ada", stream: $one) { afterItemId }
        history: checkpointHistory(userId: "ada", stream: $one) { totalCount }
        twins: checkpointHistory(userId: "ada", stream: $twin) { totalCount }
        list: checkpoints(filter: { stream: $one }) { totalCount nodes { stream } }
        other: checkpoint(userId: "ada", stream: "youtube/PLRAXTMERZGOE") { stream }
        streams { name }
      }`,
      { one: PLAYLIST, twin: TWIN },
    )
    expect(answer).toEqual({
      one: { stream: PLAYLIST, platform: 'YOUTUBE', lastItemId: 'aN46pEO_jX8', bookmarksCount: 7, version: 1 },
      twin: { stream: TWIN, platform: 'YOUTUBE', lastItemId: 'cN46pEO_jX8', bookmarksCount: 0, version: 2 },
      plan: { afterItemId: 'aN46pEO_jX8' },
      history: { totalCount: 1 },
      twins: { totalCount: 2 },
      list: { totalCount: 1, nodes: [{ stream: PLAYLIST }] },
      other: null,
      streams: [{ name: PLAYLIST }, { name: TWIN }],
    })
  })

  it('have an owner each, and sessions of their own', async () => {
    const [one, twin] = await Promise.all(
      [PLAYLIST, TWIN].map((stream) => mutate(waymark, 'startSession', { userId: 'ada', stream })),
    )
    expect([one?.['session'].stream, twin?.['session'].stream]).toEqual([PLAYLIST, TWIN])
    const { sessions } = await waymark.ask(
      'query ($stream: String!) { sessions(filter: { stream: $stream }) { nodes { sessionId } } }',
      { stream: PLAYLIST },
    )
    expect(sessions.nodes).toEqual([{ sessionId: one?.['session'].sessionId }])
    for (const result of [one, twin]) await mutate(waymark, 'stopSession', { sessionId: result?.['session'].sessionId })
  })

  it('keep twitter/Bookmarks apart from twitter/bookmarks, whose table is the literal one', async () => {
    const saved = await mutate(waymark, 'saveCheckpoint', { userId: 'ada', stream: 'twitter/Bookmarks', itemId: '20' })
    expect(saved).toMatchObject({ created: true, checkpoint: { platform: 'TWITTER', lastTweetId: '20' } })
    expect(await waymark.database.query('SELECT FROM crawler.twitter_crawl_checkpoint')).toEqual([])
  })

  it('have an ordering each', async () => {
    const configure =
      'mutation ($name: String!) { configureStream(input: { name: $name, ordering: ASCENDING }) { __typename } }'
    await waymark.ask(configure, { name: 'twitter/List-A' })
    const save = (stream: string, itemId: string) =>
      mutate(waymark, 'saveCheckpoint', { userId: 'ada', stream, itemId })
    const names = []
    for (const stream of ['twitter/List-A', 'twitter/list-a']) {
      await save(stream, '30')
      names.push((await save(stream, '29')).__typename)
    }
    expect(names).toEqual(['OrderViolationError', 'SaveCheckpointSuccess'])
  })

  it.each(['YouTube/PLrAXtmErZgOe', 'YOUTUBE/likes', 'youtube/PL rAX', 'youtube/PL/rAX'])(
    'are refused where the platform is not in lower case or the list is no name: %s',
    async (stream) => {
      expect(await mutate(waymark, 'saveCheckpoint', { userId: 'ada', stream, itemId: 'aN46pEO_jX8' })).toMatchObject({
        code: 'INVALID_INPUT',
        issues: [{ path: ['input', 'stream'], message: expect.stringMatching(/the platform in lower case/) }],
      })
      expect(
        await waymark.fail('query ($stream: String!) { checkpoint(userId: "ada", stream: $stream) { id } }', {
          stream,
        }),
      ).toMatchObject({ code: 'BAD_USER_INPUT' })
    },
  )
})

describe('the migration to names that keep their case', () => {
  it('leaves the names that are stored alone', async () => {
    await using database = await createTestDatabase()
    const taken = await takeBackFrom(database, '008_lists')
    const names = ['YouTube/PLx', 'twitter/bookmarks', 'x/MiXed', 'x/mixed']
    await withClient(database.url, async (client) => {
      await client.query(`INSERT INTO public."user" VALUES ('ada')`)
      for (const table of ['crawl_state (user_id, stream)', 'stream_setting (ordering, stream)']) {
        const first = table.startsWith('crawl_state') ? 'ada' : 'none'
        await client.query(`INSERT INTO crawler.${table} SELECT $1, unnest($2::text[])`, [first, names])
      }
      await client.query(
        `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) SELECT 'ada', unnest($1::text[]), '1'`,
        [names],
      )
    })
    expect((await migrate({ databaseUrl: database.url })).applied).toEqual(taken)
    for (const table of ['crawl_checkpoint', 'crawl_state', 'stream_setting']) {
      expect(await database.query(`SELECT stream FROM crawler.${table} ORDER BY stream COLLATE "C"`)).toEqual(
        names.map((stream) => ({ stream })),
      )
    }
  })
})
