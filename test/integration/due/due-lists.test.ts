import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KeptScans } from '../../../src/crawl/due/kept-scans.ts'
import { findNeverStarted } from '../../../src/crawl/due/never-started-store.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { controlClock } from '../../support/clock.ts'
import { setUpCrawls } from '../../support/crawls.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const HOUR_MS = 3_600_000
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

interface Due {
  readonly userId: string
  readonly stream: string
  readonly lastStartedAt: string | null
  readonly failuresInARow: number
  readonly checkpoint: Record<string, unknown> | null
}
interface Page {
  readonly totalCount: number
  readonly nodes: Due[]
  readonly edges: { readonly cursor: string; readonly node: Due }[]
  readonly pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
}

const DUE = `query ($stream: String!, $completedBefore: DateTime!, $startedBefore: DateTime, $first: Int, $after: String) {
  dueLists(stream: $stream, completedBefore: $completedBefore, startedBefore: $startedBefore, first: $first, after: $after) {
    totalCount nodes { userId stream lastStartedAt failuresInARow checkpoint { lastItemId version pause { until } } }
    edges { cursor node { userId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

async function due(asker: Pick<TestWaymark, 'ask'>, args: Record<string, unknown> = {}, query = DUE): Promise<Page> {
  const variables = { stream: 'twitter/bookmarks', completedBefore: inMs(HOUR_MS), first: 100, ...args }
  return (await asker.ask<{ dueLists: Page }>(query, variables)).dueLists
}
const usersOf = ({ nodes }: Page) => nodes.map(({ userId }) => userId)

describe('dueLists', () => {
  const crawls = setUpCrawls()
  beforeEach(async () => {
    await crawls.waymark.database.query('DELETE FROM public."user" WHERE id <> $1', [crawls.userId])
  })
  const { run, start } = crawls
  const register = (...userIds: string[]) =>
    Promise.all(userIds.map((userId) => run('registerUser', { userId: `${crawls.userId}-${userId}` })))
  const named = (...userIds: string[]) => userIds.map((userId) => `${crawls.userId}-${userId}`)
  const startOf = async (userId: string, more: Record<string, unknown> = {}) =>
    (await start({ userId: `${crawls.userId}-${userId}`, ...more }))['session'].sessionId as string
  const list = (args?: Record<string, unknown>) => due(crawls.waymark, args)

  it('has every registered user, with or without a checkpoint; never started ones by userId, then the longest ago', async () => {
    await register('b', 'a', 'd', 'c')
    for (const userId of ['d', 'a']) await run('stopSession', { sessionId: await startOf(userId) })
    await crawls.save()
    const page = await list()
    expect(usersOf(page)).toEqual([crawls.userId, ...named('b', 'c', 'd', 'a')])
    expect(page.totalCount).toBe(5)
    const shown = { version: 1, lastItemId: '20', pause: null }
    const none = { stream: 'twitter/bookmarks', lastStartedAt: null, failuresInARow: 0, checkpoint: null }
    expect(page.nodes.slice(0, 3)).toEqual([
      { ...none, userId: crawls.userId, checkpoint: shown },
      ...named('b', 'c').map((userId) => ({ ...none, userId })),
    ])
    const [d, a] = page.nodes.slice(3)
    expect(Date.parse(d?.lastStartedAt ?? '')).toBeLessThan(Date.parse(a?.lastStartedAt ?? ''))
    // Of another stream nobody was ever started.
    expect(usersOf(await list({ stream: 'reddit/saved' }))).toEqual([crawls.userId, ...named('a', 'b', 'c', 'd')])
    expect((await list({ stream: 'never/heard-of' })).nodes).toHaveLength(5)
  })

  it('leaves out what runs, until the session ends or dies', async () => {
    const sessionId = await crawls.startId()
    expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
    await crawls.clock.advance(61)
    // Its lease has run out, although no reaper has looked.
    expect(usersOf(await list())).toEqual([crawls.userId])
    await crawls.reap()
    const [reaped] = (await list()).nodes
    expect(reaped).toMatchObject({ userId: crawls.userId, failuresInARow: 1 })
    expect(reaped?.lastStartedAt).toBe(
      (await crawls.waymark.ask(`{ session(sessionId: "${sessionId}") { startedAt } }`))['session'].startedAt,
    )
    await crawls.startId()
    expect(usersOf(await list())).toEqual([])
  })

  it('leaves out what is paused, until the pause ends', async () => {
    const input = `userId: "${crawls.userId}"`
    await crawls.waymark.ask(`mutation { pauseCrawl(input: { ${input}, until: "${inMs(HOUR_MS)}" }) { __typename } }`)
    expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
    expect(usersOf(await list({ stream: 'reddit/saved' }))).toEqual([crawls.userId])
    await crawls.clock.advance(3_601)
    expect(usersOf(await list({ completedBefore: inMs(2 * HOUR_MS) }))).toEqual([crawls.userId])
    await crawls.clock.advance(-3_601)
    await crawls.waymark.ask(`mutation { unpauseCrawl(input: { ${input} }) { __typename } }`)
    expect(usersOf(await list())).toEqual([crawls.userId])
    // The same for one that was started before.
    await run('stopSession', { sessionId: await crawls.startId() })
    await crawls.waymark.ask(`mutation { pauseCrawl(input: { ${input}, until: "${inMs(HOUR_MS)}" }) { __typename } }`)
    expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
  })

  it('leaves out what has completed since, with or without a checkpoint, and not what stopped or failed', async () => {
    const before = inMs(-1_000)
    await register('empty', 'failed', 'stopped', 'caught-up', 'cleared')
    const end = async (userId: string, how: 'completeSession' | 'failSession' | 'stopSession', saves = true) => {
      const sessionId = await startOf(userId)
      if (saves) await run('saveCheckpoint', { userId: `${crawls.userId}-${userId}`, itemId: '20', sessionId })
      await run(how, { sessionId, ...(how === 'failSession' && { errorMessage: 'cut off' }) })
    }
    await end('empty', 'completeSession', false)
    await end('failed', 'failSession')
    await end('stopped', 'stopSession')
    await end('caught-up', 'completeSession')
    await end('cleared', 'completeSession')
    await run('clearCheckpoint', { userId: `${crawls.userId}-cleared` })
    expect(usersOf(await list({ completedBefore: before }))).toEqual([
      crawls.userId,
      ...named('failed', 'stopped', 'cleared'),
    ])
    expect((await list({ completedBefore: before })).totalCount).toBe(4)
    // What completed before the bound is due again, and what failed after it completed stays due.
    expect(usersOf(await list())).toEqual([
      crawls.userId,
      ...named('empty', 'failed', 'stopped', 'caught-up', 'cleared'),
    ])
    await end('empty', 'failSession', false)
    expect(usersOf(await list({ completedBefore: before }))).toEqual([
      crawls.userId,
      ...named('failed', 'stopped', 'cleared'),
    ])
  })

  it('counts the sessions that failed in a row, newest first', async () => {
    const failures = async () => (await list()).nodes.map(({ failuresInARow }) => failuresInARow)
    const end = async (how: 'completeSession' | 'failSession' | 'stopSession', stream?: string) => {
      const sessionId = await crawls.startId({ stream })
      await run(how, { sessionId, ...(how === 'failSession' && { errorMessage: 'cut off' }) })
    }
    expect(await failures()).toEqual([0])
    await end('failSession')
    await end('failSession')
    await end('failSession', 'reddit/saved')
    expect(await failures()).toEqual([2])
    await end('stopSession')
    expect(await failures()).toEqual([0])
    await end('failSession')
    expect(await failures()).toEqual([1])
    await end('completeSession')
    await end('failSession')
    await end('failSession')
    await end('failSession')
    expect(await failures()).toEqual([3])
    // One that is taken over failed too; the one that took over has died, and the reaper has not looked yet.
    await crawls.startId()
    await crawls.startId({ takeover: true })
    await crawls.clock.advance(61)
    // Failed only once a reaper has ended it, which may have looked just now.
    expect([[4], [5]]).toContainEqual(await failures())
    await crawls.reap()
    expect(await failures()).toEqual([5])
    await crawls.waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
      SELECT 'failed-' || n, $1, now() + interval '1 hour', now() + interval '1 hour', 'failed' FROM generate_series(1, 150) n`,
      [crawls.userId],
    )
    expect(await failures()).toEqual([100])
  })

  it('keeps a list that fails each time from coming first again', async () => {
    await register('bad', 'good')
    await run('stopSession', { sessionId: await startOf('good') })
    for (let turn = 0; turn < 3; turn += 1) {
      await run('failSession', { sessionId: await startOf('bad'), errorMessage: 'always' })
      expect(usersOf(await list())).toEqual([crawls.userId, ...named('good', 'bad')])
    }
  })

  it('forgets a user who is deleted', async () => {
    await run('stopSession', { sessionId: await crawls.startId() })
    await crawls.waymark.database.query('DELETE FROM public."user"')
    expect(await list()).toMatchObject({ totalCount: 0, nodes: [] })
  })

  it('is refused for wrong arguments, and for a cursor that it did not make', async () => {
    const fail = async (args: string) => (await crawls.waymark.fail(`{ dueLists(${args}) { nodes { userId } } }`)).code
    const right = `stream: "twitter/bookmarks", completedBefore: "${inMs(0)}"`
    expect(await fail(`stream: "nope", completedBefore: "${inMs(0)}"`)).toBe('BAD_USER_INPUT')
    for (const more of ['first: -1', 'first: 101', 'after: ""', 'after: "abc"']) {
      expect(await fail(`${right}, ${more}`)).toBe('BAD_USER_INPUT')
    }
    const { users } = await crawls.waymark.ask('{ users(first: 1) { pageInfo { endCursor } } }')
    expect(await fail(`${right}, after: "${users.pageInfo.endCursor}"`)).toBe('BAD_USER_INPUT')
    const forged = Buffer.from(JSON.stringify(['dueLists', 'now', 'x'])).toString('base64url')
    expect(await fail(`${right}, after: "${forged}"`)).toBe('BAD_USER_INPUT')
    expect((await list({ first: 0 })).nodes).toEqual([])
    expect((await list({ first: null, after: null, startedBefore: null })).nodes).toHaveLength(1)
  })
})

/** Enough users that not all are seen at the first look. */
const USERS = 3_000

describe('dueLists of many users', () => {
  let waymark: TestWaymark
  let everyone: { readonly userId: string; readonly key: string; readonly at: string; readonly isDue: boolean }[]
  let operator: Awaited<ReturnType<typeof keyedCaller>>
  /** Relative to the times below. */
  const completedBefore = '2026-01-02T00:00:00.000Z'
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' }, { tickMs: HOUR_MS })
    await controlClock(waymark.database)
    operator = await keyedCaller(waymark, ['read'])
    // The never started ones are rare and far behind; many times are equal, or a microsecond apart.
    await waymark.database.query(`
      SELECT setseed(0.5);
      INSERT INTO public."user" SELECT 'u' || lpad(n::text, 4, '0') FROM generate_series(1, ${USERS}) n;
      INSERT INTO crawler.crawl_state (user_id, stream, last_started_at, last_completed_at, owner_session_id)
        SELECT id, 'twitter/bookmarks', CASE WHEN n % 100 <> 99 AND n % 7 <> 6 OR n < 2000 THEN at END,
          CASE WHEN random() < 0.6 THEN at + (random() * 40)::integer * interval '1 hour' - interval '20 hours' END,
          CASE WHEN random() < 0.3 THEN 's' || id END
        FROM (SELECT id, substr(id, 2)::integer AS n, timestamptz '2026-01-01Z' + (random() * 48)::integer * interval '1 hour'
          + (random() * 2)::integer * interval '1 microsecond' AS at FROM public."user") AS u WHERE n % 11 > 0 OR n < 2000;
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, status, epoch, lease_seconds, lease_expires_at)
        SELECT owner_session_id, user_id, now(), CASE WHEN random() < 0.5 THEN 'running' ELSE 'stopped' END, 1, 60,
          now() + (random() - 0.5) * interval '1 day' FROM crawler.crawl_state WHERE owner_session_id IS NOT NULL;
      INSERT INTO crawler.crawl_pause (user_id, stream, until, paused_by)
        SELECT id, 'twitter/bookmarks', now() + (random() - 0.5) * interval '1 day', 'local' FROM public."user" WHERE random() < 0.2`)
    // As autovacuum does it, in a minute.
    await waymark.database.query('ANALYZE')
    // The rule, said once more and plainly.
    const judged = await waymark.database.query<{ user_id: string; started: string | null; is_due: boolean }>(`
      SELECT u.id AS user_id, to_char(st.last_started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS started,
        NOT EXISTS (SELECT FROM crawler.crawl_session s WHERE s.session_id = st.owner_session_id AND s.status = 'running'
          AND s.lease_expires_at > now())
        AND NOT EXISTS (SELECT FROM crawler.crawl_pause p WHERE p.user_id = u.id AND p.until > now())
        AND (st.last_completed_at IS NULL OR st.last_completed_at < '${completedBefore}') AS is_due
      FROM public."user" u LEFT JOIN crawler.crawl_state st ON st.user_id = u.id`)
    everyone = judged.map(({ user_id: userId, started, is_due: isDue }) => ({
      ...{ userId, isDue, at: started ?? '', key: `${started ?? ''} ${userId}` },
    }))
    everyone.sort((one, other) => (one.key < other.key ? -1 : 1))
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function walk(asker: Pick<TestWaymark, 'ask'>, args: Record<string, unknown>): Promise<string[]> {
    const query = DUE.replace('totalCount ', '')
    const found: string[] = []
    for (let after: string | null = null, more = true; more;) {
      const page = await due(asker, { completedBefore, ...args, after }, query)
      expect(page.pageInfo.hasPreviousPage).toBe(after !== null)
      expect(page.edges.map(({ node }) => node.userId)).toEqual(usersOf(page))
      expect(page.pageInfo.endCursor).toBe(page.edges.at(-1)?.cursor ?? null)
      found.push(...usersOf(page))
      after = page.pageInfo.endCursor
      more = page.pageInfo.hasNextPage
    }
    return found
  }

  it('come each once, in order, by pages of any size, whichever way they are found', async () => {
    const expected = everyone.filter(({ isDue }) => isDue).map(({ userId }) => userId)
    const never = everyone.filter(({ isDue, at }) => isDue && at === '').length
    expect(never).toBeGreaterThan(20)
    expect(expected.length).toBeGreaterThan(never + 200)
    for (const first of [100, 37]) expect(await walk(operator, { first })).toEqual(expected)
    // The end of those that were never started is the end of a page.
    const page = await due(operator, { completedBefore, first: never > 100 ? 100 : never })
    expect(usersOf(page)).toEqual(expected.slice(0, page.nodes.length))
    const next = await due(operator, { completedBefore, first: 5, after: page.pageInfo.endCursor })
    expect(usersOf(next)).toEqual(expected.slice(page.nodes.length, page.nodes.length + 5))
    expect(page.totalCount).toBe(expected.length)
  })

  it.each(['2026-01-01T12:00:00.000Z', completedBefore, '2026-01-02T12:00:00.000Z', '2025-01-01T00:00:00.000Z'])(
    'keep to startedBefore %s',
    async (startedBefore) => {
      const bound = startedBefore.replace('T', ' ').replace('Z', '000')
      const expected = everyone
        .filter(({ isDue, at }) => isDue && (at === '' || at < bound))
        .map(({ userId }) => userId)
      expect(await walk(operator, { startedBefore, first: 100 })).toEqual(expected)
      expect((await due(operator, { completedBefore, startedBefore, first: 1 })).totalCount).toBe(expected.length)
    },
  )

  it('are judged anew where a scan of all users was kept', async () => {
    const never = everyone.filter(({ isDue, at }) => isDue && at === '').map(({ userId }) => userId)
    const query = { stream: 'twitter/bookmarks', completedBefore: new Date(completedBefore), startedBefore: undefined }
    const options = { poolSize: 1, connectTimeoutMs: 4_000, statementTimeoutMs: 10_000, log: pino({ level: 'silent' }) }
    const database = openDatabase({ ...options, url: waymark.database.url })
    try {
      const read = (kept: KeptScans, limit: number) => findNeverStarted(database, kept, query, '', limit)
      expect(await read(new KeptScans(), 1_000)).toEqual(never)
      // The first look ends with the thousandth user. Among what was kept is one that is not due by now.
      const after = 'u1000'
      const started = everyone.find(({ at, userId }) => at !== '' && userId > after)?.userId ?? ''
      const behind = never.filter((userId) => userId > after)
      const kept = new KeptScans()
      kept.keep(query, { after, userIds: [started, ...behind.slice(0, 5)], isWhole: true }, performance.now(), 400)
      expect(await read(kept, 1_000)).toEqual(behind.slice(0, 5))
      // What is not the whole is used as far as it goes.
      kept.keep(query, { after, userIds: [started, ...behind.slice(0, 5)], isWhole: false }, performance.now(), 400)
      expect(await read(kept, 4)).toEqual(behind.slice(0, 4))
      expect(await read(kept, 1_000)).toEqual(never)
    } finally {
      await database.close()
    }
  })

  it('are those within reach, for a caller that is bound to some users', async () => {
    const userIds = everyone.filter((_user, place) => place % 30 === 0).map(({ userId }) => userId)
    const bound = await keyedCaller(waymark, ['read'], [...userIds, 'nobody'])
    const ours = everyone.filter(({ userId, isDue }) => isDue && userIds.includes(userId))
    for (const first of [100, 7]) expect(await walk(bound, { first })).toEqual(ours.map(({ userId }) => userId))
    const startedBefore = '2026-01-01T12:00:00.000Z'
    const early = ours.filter(({ at }) => at < '2026-01-01 12:00:00')
    expect(await walk(bound, { startedBefore })).toEqual(early.map(({ userId }) => userId))
    expect((await due(bound, { completedBefore, first: 1 })).totalCount).toBe(ours.length)
    const crawler = await keyedCaller(waymark, ['crawl'])
    const query = `{ dueLists(stream: "twitter/bookmarks", completedBefore: "${completedBefore}") { nodes { userId } } }`
    expect((await crawler.fail(query)).code).toBe('FORBIDDEN')
  })
})
