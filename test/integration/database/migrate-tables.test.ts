import { describe, expect, it } from 'vitest'
import { namedPlatforms } from '../../../src/stream/platforms/platform.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

async function databaseWithAda(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  await database.query(`INSERT INTO public."user" VALUES ('ada')`)
  return database
}

describe('the tables', () => {
  it('take an upsert by user_id on the literal table and one by (user_id, stream) on the parent, for the same row', async () => {
    await using database = await databaseWithAda()
    const literal = `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ('ada', $1)
      ON CONFLICT (user_id) DO UPDATE SET last_tweet_id = EXCLUDED.last_tweet_id`
    const parent = `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', $2, $1)
      ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = EXCLUDED.last_tweet_id`
    await database.query(literal, ['1'])
    await database.query(parent, ['2', 'twitter/bookmarks'])
    expect(await database.query('SELECT last_tweet_id FROM crawler.twitter_crawl_checkpoint')).toEqual([
      { last_tweet_id: '2' },
    ])
    await database.query(literal, ['3'])
    await database.query(parent, ['4', 'reddit/saved'])
    await database.query(parent, ['5', 'reddit/saved'])
    expect(await database.query('SELECT stream, last_tweet_id FROM crawler.crawl_checkpoint ORDER BY stream')).toEqual([
      { stream: 'reddit/saved', last_tweet_id: '5' },
      { stream: 'twitter/bookmarks', last_tweet_id: '3' },
    ])
  })

  it('keep other streams out of the literal table', async () => {
    await using database = await databaseWithAda()
    await expect(
      database.query(
        `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'x/y', '1')`,
      ),
    ).rejects.toThrow(/violates partition constraint/)
  })

  it.each(['crawl_checkpoint', 'twitter_crawl_checkpoint'])(
    'set updated_at by themselves on an update of %s',
    async (table) => {
      await using database = await databaseWithAda()
      await database.query(
        `INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id, created_at, updated_at) VALUES ('ada', '1', '2000-01-01', '2000-01-01')`,
      )
      await database.query(`UPDATE crawler.${table} SET last_tweet_id = '2', updated_at = '1999-01-01'`)
      expect(
        await database.query(
          `SELECT created_at = '2000-01-01' AS kept, updated_at BETWEEN now() - interval '1 minute' AND now() AS touched FROM crawler.crawl_checkpoint`,
        ),
      ).toEqual([{ kept: true, touched: true }])
    },
  )

  it('give a row its defaults', async () => {
    await using database = await databaseWithAda()
    await database.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ada')`)
    expect(
      await database.query(
        `SELECT status, bookmarks_processed, direct_import, enable_summarization, stream, completed_at, started_at <= now() AS started FROM crawler.crawl_session`,
      ),
    ).toEqual([
      {
        status: 'running',
        bookmarks_processed: 0,
        direct_import: false,
        enable_summarization: false,
        stream: 'twitter/bookmarks',
        completed_at: null,
        started: true,
      },
    ])
  })

  it('refuse a status outside the four', async () => {
    await using database = await databaseWithAda()
    for (const status of ['running', 'completed', 'stopped', 'failed']) {
      await database.query(`INSERT INTO crawler.crawl_session (session_id, user_id, status) VALUES ($1, 'ada', $1)`, [
        status,
      ])
    }
    for (const status of ['Running', 'cancelled', '']) {
      await expect(
        database.query(`INSERT INTO crawler.crawl_session (session_id, user_id, status) VALUES ('s', 'ada', $1)`, [
          status,
        ]),
      ).rejects.toThrow(/crawl_session_status_is_known/)
    }
  })

  it("refuse an unknown user's rows, and let a user's rows go with the user", async () => {
    await using database = await databaseWithAda()
    await database.query(`INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s1', 'ada')`)
    for (const stream of ['twitter/bookmarks', 'reddit/saved']) {
      const save = `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ($1, $2, '1')`
      await database.query(save, ['ada', stream])
      await expect(database.query(save, ['nobody', stream])).rejects.toThrow(/foreign key/)
    }
    await database.query(`DELETE FROM public."user"`)
    expect(
      await database.query(
        'SELECT user_id FROM crawler.crawl_checkpoint UNION ALL SELECT user_id FROM crawler.crawl_session',
      ),
    ).toEqual([])
  })

  it('can be updated where everything is published for logical replication', async () => {
    await using database = await databaseWithAda()
    await database.query('CREATE PUBLICATION everything FOR ALL TABLES')
    for (const stream of ['twitter/bookmarks', 'reddit/saved']) {
      await database.query(
        `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', $1, '1')`,
        [stream],
      )
    }
    await database.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = '2'`)
    expect(await database.query('SELECT DISTINCT last_tweet_id FROM crawler.crawl_checkpoint')).toEqual([
      { last_tweet_id: '2' },
    ])
  })
})

describe('a page by any one filter', () => {
  const slugs = namedPlatforms.map(({ slug }) => `'${slug}'`).join(', ')
  const otherPlatform = `split_part(stream, '/', 1) NOT IN (${slugs})`
  const sessionFilters = [
    'true',
    `started_at < now() - interval '1 day'`,
    `user_id = 'u1'`,
    `user_id = 'u1' AND stream = 'rare/list'`,
    `stream = 'reddit/saved'`,
    `split_part(stream, '/', 1) = 'youtube'`,
    otherPlatform,
    `(started_at, session_id) < (now() - interval '1 day', 's5')`,
  ]
  const checkpointFilters = [
    'true',
    `last_crawled_at < now() - interval '1 day'`,
    `stream = 'twitter/bookmarks'`,
    `stream = 'reddit/saved'`,
    `stream <> 'twitter/bookmarks' AND split_part(stream, '/', 1) = 'youtube'`,
    `stream <> 'twitter/bookmarks' AND ${otherPlatform}`,
    `(last_crawled_at, user_id, stream) < (now() - interval '1 day', 'u5', 'x')`,
  ]

  // EXPLAIN ANALYZE counts what was read: in either direction about the 21 rows of the answer, and never the 20,000 there are.
  it('reads about as many rows as it answers', async () => {
    await using database = await createTestDatabase()
    await database.query(`
      INSERT INTO public."user" SELECT 'u' || n FROM generate_series(1, 4000) AS n;
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, stream)
        SELECT 's' || n, 'u' || CASE WHEN n % 2 = 0 THEN 1 ELSE n % 4000 + 1 END, now() - n * interval '1 minute',
          CASE WHEN n % 200 IN (0, 1) THEN 'rare/list' WHEN n % 200 IN (2, 3) THEN 'youtube/likes'
            ELSE (ARRAY['twitter/bookmarks', 'twitter/likes', 'reddit/saved'])[n % 3 + 1] END
        FROM generate_series(1, 20000) AS n;
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, last_crawled_at)
        SELECT 'u' || n, stream, '1', now() - n * interval '1 minute'
        FROM unnest(ARRAY['twitter/bookmarks', 'twitter/likes', 'reddit/saved', 'rare/list', 'youtube/likes'])
          WITH ORDINALITY AS streams (stream, place), generate_series(1, 4000) AS n WHERE place < 4 OR n % 40 = 0`)
    await withClient(database.url, async (client) => {
      await client.query('ANALYZE')
      for (const [table, filters, key] of [
        ['crawl_session', sessionFilters, ['started_at', 'session_id']],
        ['crawl_checkpoint', checkpointFilters, ['last_crawled_at', 'user_id', 'stream']],
      ] as const) {
        for (const filter of filters) {
          for (const direction of ['ASC', 'DESC']) {
            const order = key.map((column) => `${column} ${direction}`).join(', ')
            const page = `SELECT * FROM crawler.${table} WHERE ${filter} ORDER BY ${order} LIMIT 21`
            const { rows } = await client.query<{ 'QUERY PLAN': string }>(
              `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${page}`,
            )
            const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
            // A filter that every third row passes may be read off the index of the order: some times 21, never the table.
            expect(rowsRead(plan), `${page}\n${plan}`).toBeLessThan(200)
          }
        }
      }
    })
  })
})

/** Rows that the scans of a plan returned or removed by a filter. */
function rowsRead(plan: string): number {
  const scans = [...plan.matchAll(/Scan [^\n]*rows=([\d.]+) loops=(\d+)/g)].map(
    ([, rows, loops]) => Number(rows) * Number(loops),
  )
  const removed = [...plan.matchAll(/Rows Removed by [^:]*: (\d+)/g)].map(([, rows]) => Number(rows))
  if (scans.length === 0) throw new Error(`no scan in the plan:\n${plan}`)
  return [...scans, ...removed].reduce((sum, rows) => sum + rows, 0)
}
