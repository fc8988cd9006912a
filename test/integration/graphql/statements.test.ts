import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countStatements } from '../../support/statement-count.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

describe('the number of SQL statements', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    // Thousands in one statement take a busy machine longer than the 4 s that requests are given.
    waymark = await startWaymark({ DATABASE_STATEMENT_TIMEOUT_MS: '60000' })
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'user-' || lpad(n::text, 3, '0') FROM generate_series(1, 100) n;
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id)
        SELECT id, 'twitter/bookmarks', '20' FROM public."user";
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at)
        SELECT id || '-' || n, id, CASE WHEN n = 1 THEN 'reddit/saved' ELSE 'twitter/bookmarks' END, now() + n * interval '1 second'
        FROM public."user", generate_series(1, 7) n;
      ANALYZE`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  const nested = (first: number) =>
    `{ users(first: ${first}) { nodes { checkpoint { lastItemId } sessions(first: 5) { nodes { status checkpoint { lastItemId } } } } } }`

  it('for users with their checkpoint and sessions is the same for 10 and for 100 users, at most 6', async () => {
    await waymark.ask(nested(1))
    const ten = await countStatements(() => waymark.ask(nested(10)))
    const hundred = await countStatements(() => waymark.ask(nested(100)))
    expect(ten.statements.length).toBeGreaterThan(0)
    expect(ten.statements.length).toBeLessThanOrEqual(6)
    expect(hundred.statements).toHaveLength(ten.statements.length)
  })

  it('reads no more rows than it answers plus one per parent', async () => {
    // Answered: 10 users, 10 checkpoints, 50 sessions, 50 checkpoints of them. One more: of the list, and of each user's sessions.
    const { rows } = await countStatements(() => waymark.ask(nested(10)))
    expect(rows).toBeGreaterThanOrEqual(10)
    expect(rows).toBeLessThanOrEqual(10 + 10 + 50 + 50 + 1 + 10)
  })

  it(
    'and the rows read stay the same where a user has 100,000 sessions, in the database too',
    { timeout: 120_000 },
    async () => {
      await waymark.database.query(`
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at)
        SELECT 'many-' || n, 'user-001', now() - n * interval '1 second' FROM generate_series(1, 100000) n`)
      await waymark.database.query('VACUUM ANALYZE crawler.crawl_session')
      const { statements, rows } = await countStatements(() => waymark.ask(nested(10)))
      expect(statements.length).toBeLessThanOrEqual(6)
      expect(rows).toBeLessThanOrEqual(10 + 10 + 50 + 50 + 1 + 10)

      // Statistics arrive late, those of the requests before too: their 700 rows, and none of 100,000.
      const late = 1_000
      const readBefore = await sessionRowsRead()
      let asked = 0
      let read = 0
      while (read <= late) {
        await waymark.ask(nested(10))
        asked += 1
        read = (await sessionRowsRead()) - readBefore
      }
      expect(read).toBeLessThanOrEqual(late + asked * 10 * 6)
    },
  )

  it('for a session with its checkpoint and user is two', async () => {
    const one =
      '{ session(sessionId: "user-001-2") { status user { userId } checkpoint { lastItemId user { userId } } } }'
    await waymark.ask(one)
    expect((await countStatements(() => waymark.ask(one))).statements).toHaveLength(2)
  })

  it('for a list without totalCount is one, and two with it', async () => {
    expect((await countStatements(() => waymark.ask('{ sessions { nodes { status } } }'))).statements).toHaveLength(1)
    expect(
      (await countStatements(() => waymark.ask('{ sessions { totalCount nodes { status } } }'))).statements,
    ).toHaveLength(2)
  })

  it("for every user's count of sessions is one for all of them", async () => {
    const counted = await countStatements(() =>
      waymark.ask('{ users(first: 50) { nodes { sessions(first: 1) { totalCount } } } }'),
    )
    expect(counted.statements).toHaveLength(3)
  })

  it('for a save that names its stream is one, also when it names its session', async () => {
    const save = (more: string) =>
      waymark.ask(`mutation { saveCheckpoint(input: { userId: "user-002", stream: "twitter/bookmarks", itemId: "21", ${more} }) {
        ... on SaveCheckpointSuccess { checkpoint { lastItemId user { userId } } session { status } } } }`)
    expect((await countStatements(() => save('bookmarksAdded: 1'))).statements).toHaveLength(1)
    const inSession = await countStatements(() => save('bookmarksAdded: 1, sessionId: "user-002-2"'))
    expect(inSession.statements).toHaveLength(1)
  })

  it(
    'for 10,000 saves of one request is one for each thousand, and a bad one among them leaves 9,999 written',
    { timeout: 120_000 },
    async () => {
      await waymark.database.query(`INSERT INTO public."user" SELECT 'bulk-' || n FROM generate_series(0, 9999) n`)
      const inputs = Array.from({ length: 10_000 }, (_, n) => ({
        userId: `bulk-${n}`,
        stream: 'twitter/bookmarks',
        itemId: n === 4_321 ? 'not an ID' : String(n + 1),
        bookmarksAdded: 2,
      }))
      let results: { type: string; issues?: { path: string[] }[] }[] = []
      const { statements } = await countStatements(async () => {
        const answer = await waymark.ask<{ results: typeof results }>(
          `mutation ($inputs: [SaveCheckpointInput!]!) { results: saveCheckpoints(inputs: $inputs) {
          type: __typename ... on InvalidInputError { issues { path } } } }`,
          { inputs },
        )
        results = answer.results
      })
      expect(statements.length).toBeLessThanOrEqual(11)
      expect(results.filter(({ type }) => type === 'SaveCheckpointSuccess')).toHaveLength(9_999)
      expect(results[4_321]).toEqual({
        type: 'InvalidInputError',
        issues: [{ path: ['inputs', '4321', 'itemId'] }],
      })
      const written = await waymark.database.query<{ user_id: string; last_tweet_id: string; bookmarks_count: number }>(
        `SELECT user_id, last_tweet_id, bookmarks_count FROM crawler.crawl_checkpoint
        WHERE user_id LIKE 'bulk-%' ORDER BY last_tweet_id::integer`,
      )
      const sound = inputs.filter((_, n) => n !== 4_321)
      expect(written).toEqual(
        sound.map(({ userId, itemId }) => ({ user_id: userId, last_tweet_id: itemId, bookmarks_count: 2 })),
      )
      const [{ count } = { count: 0 }] = await waymark.database.query<{ count: number }>(
        `SELECT count(*)::integer AS count FROM crawler.checkpoint_revision WHERE user_id LIKE 'bulk-%' AND version = 1`,
      )
      expect(count).toBe(9_999)
    },
  )

  it('for many saves at once is less than one each', async () => {
    const save = (userId: string) =>
      waymark.ask(`mutation { saveCheckpoint(input: { userId: "${userId}", itemId: "22" }) { __typename } }`)
    const users = Array.from({ length: 64 }, (_, index) => `user-${String(index + 1).padStart(3, '0')}`)
    // While the first is written the others gather, however slow the machine is to send them.
    await waymark.database.query(`
      CREATE SEQUENCE public.written;
      CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF nextval(''public.written'') = 1 THEN PERFORM pg_sleep(0.5); END IF; RETURN NULL; END';
      CREATE TRIGGER dawdle AFTER UPDATE ON crawler.crawl_checkpoint FOR EACH ROW EXECUTE FUNCTION public.dawdle()`)
    const { statements } = await countStatements(() => Promise.all(users.map(save)))
    expect(statements.length).toBeLessThan(32)
  })

  async function sessionRowsRead(): Promise<number> {
    const [row] = await waymark.database.query<{ read: string }>(
      `SELECT seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables WHERE relid = 'crawler.crawl_session'::regclass`,
    )
    return Number(row?.read)
  }
})
