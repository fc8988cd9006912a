import { describe, expect, it } from 'vitest'
import { createTestDatabase, statementsWaitingForLocks, withClient } from '../../support/database.ts'
import { startServer } from '../../support/server-process.ts'
import { clientOf } from '../../support/waymark.ts'
import { startLists } from './lists.ts'

const STREAMS = ['reddit/saved', 'twitter/bookmarks', 'youtube/PLx']
const ITEMS = ['t3_a', '20', 'aN46pEO_jX8']
const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename } }`
const MOVE = `mutation ($input: MoveCheckpointInput!) { result: moveCheckpoint(input: $input) { __typename } }`

describe('moves', () => {
  it('beside saves, another program and each other lose no save, repeat no version and fail for nobody', async () => {
    await using lists = await startLists()
    const users = [await lists.user(), await lists.user(), await lists.user()]
    let saved = 0
    const answers = new Set<string>()
    const other = (n: number) => users[n % users.length] ?? ''
    // On a busy machine the server may refuse what it has not begun, which is sent again, or not know what was written.
    let unknown = 0
    const run = async (query: string, input: Record<string, unknown>): Promise<string> => {
      const { data, errors } = await lists.waymark.send(query, { input })
      if (errors?.[0]?.extensions.code === 'OVERLOADED') return run(query, input)
      if (errors?.[0]?.extensions.code === 'SERVICE_UNAVAILABLE') {
        if (query === SAVE) unknown += 1
        return 'unknown'
      }
      expect(errors).toBeUndefined()
      return (data?.['result'] as { __typename: string }).__typename
    }
    const saver = async (n: number) => {
      for (let round = 0; round < 25; round += 1) {
        const [userId, stream] = [other(n + round), STREAMS[n % STREAMS.length]]
        const input = { userId, stream, itemId: ITEMS[n % STREAMS.length], bookmarksAdded: 1 }
        const answer = await run(SAVE, input)
        answers.add(answer)
        if (answer === 'SaveCheckpointSuccess') saved += 1
      }
    }
    const mover = async (n: number) => {
      for (let round = 0; round < 25; round += 1) {
        const input = { fromUserId: other(n + round), toUserId: other(n + round * 2 + 1) }
        if (input.fromUserId === input.toUserId) continue
        const what = round % 2 === 0 ? { allStreams: true } : { stream: STREAMS[n % STREAMS.length] }
        answers.add(await run(MOVE, { ...input, ...what }))
      }
    }
    const foreigner = () =>
      withClient(lists.waymark.database.url, async (client) => {
        for (let round = 0; round < 25; round += 1) {
          // As another program does it: one that finds the key taken, or waits in a circle, fails alone.
          await client
            .query('UPDATE crawler.crawl_checkpoint SET user_id = $2 WHERE user_id = $1', [
              other(round),
              other(round + 1),
            ])
            .catch((error: unknown) => {
              expect(error).toMatchObject({ code: expect.stringMatching(/^(23505|40P01)$/) as string })
            })
        }
      })
    await Promise.all([0, 1, 2].flatMap((n) => [saver(n), saver(n + 1), mover(n)]).concat(foreigner()))
    for (const answer of answers) {
      expect([
        'SaveCheckpointSuccess',
        'MoveCheckpointSuccess',
        'CheckpointNotFoundError',
        'CheckpointExistsError',
        'unknown',
      ]).toContain(answer)
    }
    const [stored] = await lists.waymark.database.query<{ count: number }>(
      'SELECT sum(bookmarks_count)::integer AS count FROM crawler.crawl_checkpoint',
    )
    expect(stored?.count).toBeGreaterThanOrEqual(saved)
    expect(stored?.count).toBeLessThanOrEqual(saved + unknown)
    // Each revision has its event, and what each list ends with is what it is.
    expect(
      await lists.waymark.database
        .query(`SELECT r.user_id, r.stream, r.version FROM crawler.checkpoint_revision r FULL JOIN crawler.feed_event e
        ON (e.user_id, e.stream, e.version) = (r.user_id, r.stream, r.version) AND e.kind LIKE 'CHECKPOINT%' WHERE r.version IS NULL OR e.version IS NULL`),
    ).toEqual([])
    expect(
      await lists.waymark.database
        .query(`SELECT s.user_id, s.stream FROM crawler.crawl_state s LEFT JOIN crawler.crawl_checkpoint k USING (user_id, stream)
        JOIN crawler.checkpoint_revision r USING (user_id, stream, version)
        WHERE (k.last_tweet_id, coalesce(k.bookmarks_count, 0)) IS DISTINCT FROM (r.last_item_id, r.bookmarks_count)`),
    ).toEqual([])
    expect(
      (await lists.waymark.database.query('SELECT FROM crawler.checkpoint_revision WHERE follows_version IS NOT NULL'))
        .length,
    ).toBeGreaterThan(0)
  }, 120_000)

  it('are whole or not at all where the server is killed between two lists', async () => {
    await using database = await createTestDatabase()
    await database.query(`INSERT INTO public."user" VALUES ('ann'), ('bob')`)
    await database.query(
      `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count)
       SELECT 'ann', 'x/' || n, '1', n FROM generate_series(1, 20) n`,
    )
    for (const held of ['x/1', 'x/7']) {
      const [owner] = await database.query<{ id: string }>(
        'SELECT DISTINCT user_id AS id FROM crawler.crawl_checkpoint',
      )
      const fromUserId = owner?.id ?? ''
      await using server = await startServer({ DATABASE_URL: database.url })
      await withClient(database.url, async (client) => {
        await client.query('BEGIN')
        await client.query(`SELECT FROM crawler.crawl_state WHERE stream = $1 FOR UPDATE`, [held])
        const input = { fromUserId, toUserId: fromUserId === 'ann' ? 'bob' : 'ann', allStreams: true }
        const answer = clientOf(server.url).send(MOVE, { input })
        const failed = expect(answer).rejects.toThrow()
        await statementsWaitingForLocks(client, 1)
        server.child.kill('SIGKILL')
        await failed
        await client.query('COMMIT')
      })
      const others = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`
      await expect.poll(() => database.query(others), { timeout: 20_000 }).toEqual([])
      const [owners] = await database.query(
        `SELECT count(DISTINCT user_id)::integer AS users, count(*)::integer AS lists, sum(bookmarks_count)::integer AS count FROM crawler.crawl_checkpoint`,
      )
      expect(owners).toEqual({ users: 1, lists: 20, count: 210 })
      expect(
        await database.query(`SELECT FROM crawler.crawl_checkpoint k LEFT JOIN crawler.crawl_state s USING (user_id, stream)
          WHERE s.version IS DISTINCT FROM (SELECT max(r.version) FROM crawler.checkpoint_revision r WHERE r.user_id = k.user_id AND r.stream = k.stream)`),
      ).toEqual([])
    }
  }, 120_000)
})
