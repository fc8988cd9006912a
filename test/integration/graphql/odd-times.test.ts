import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../../src/app.ts'
import { runRetentionOnce } from '../../../src/maintenance/retention.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

/** What PostgreSQL takes for a time, in its order, and what RFC 3339 can say of it. */
const TIMES = {
  '-infinity': '0001-01-01T00:00:00.000Z',
  '4713-01-01 00:00:00+00 BC': '0001-01-01T00:00:00.000Z',
  '0044-03-15 12:00:00.000001+00 BC': '0001-01-01T00:00:00.000Z',
  '2026-01-02 03:04:05.678901+00': '2026-01-02T03:04:05.678Z',
  '20000-06-01 00:00:00+00': '9999-12-31T23:59:59.999Z',
  '294276-12-31 00:00:00+00': '9999-12-31T23:59:59.999Z',
  infinity: '9999-12-31T23:59:59.999Z',
}
const texts = Object.keys(TIMES)
const told = Object.values(TIMES)
const SESSION = 'sessionId startedAt completedAt heartbeatAt stalled bookmarksPerSecond'
const CHECKPOINT = 'userId lastCrawledAt createdAt updatedAt lastCompletedAt'

describe('times that other programs wrote and RFC 3339 cannot say', () => {
  let stored: TestDatabase
  let app: App
  let waymark: ReturnType<typeof clientOf>
  beforeAll(async () => {
    stored = await createTestDatabase()
    // Neither what is told nor the pages may depend on it.
    await stored.query(`ALTER DATABASE ${stored.name} SET timezone = 'Asia/Kolkata'`)
    app = await startOn(stored.url)
    waymark = clientOf(app.url)
    for (const [n, text] of texts.entries()) {
      await stored.query(`INSERT INTO public."user" VALUES ($1)`, [`u${n}`])
      await stored.query(
        `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id, last_crawled_at, created_at, updated_at)
        VALUES ($1, '20', $2, $2, $2)`,
        [`u${n}`, text],
      )
      await stored.query('UPDATE crawler.crawl_state SET last_completed_at = $2 WHERE user_id = $1', [`u${n}`, text])
      await stored.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, status, started_at, completed_at, heartbeat_at, first_save_at, last_save_at, commits)
        VALUES ($1, $2, 'failed', $3, $3, $3, $3, $3, 2)`,
        [`s${n}`, `u${n}`, text],
      )
    }
  })
  afterAll(async () => {
    await app.close()
    await stored[Symbol.asyncDispose]()
  })

  it('are the nearest that it can say, in lists and single answers alike', async () => {
    const { sessions, checkpoints } = await waymark.ask(
      `{ sessions(orderBy: STARTED_AT_ASC) { nodes { ${SESSION} } }
        checkpoints(orderBy: LAST_CRAWLED_AT_ASC) { nodes { ${CHECKPOINT} } } }`,
    )
    expect(sessions.nodes).toEqual(
      told.map((time, n) => ({
        sessionId: `s${n}`,
        startedAt: time,
        completedAt: time,
        heartbeatAt: time,
        stalled: false,
        bookmarksPerSecond: null,
      })),
    )
    expect(checkpoints.nodes).toEqual(
      told.map((time, n) => ({
        userId: `u${n}`,
        lastCrawledAt: time,
        createdAt: time,
        updatedAt: time,
        lastCompletedAt: time,
      })),
    )
    for (const [n, time] of told.entries()) {
      const one = await waymark.ask(
        `{ session(sessionId: "s${n}") { startedAt } checkpoint(userId: "u${n}") { lastCrawledAt }
          resumePlan(userId: "u${n}") { reason previousSession { completedAt } } }`,
      )
      expect(one).toEqual({
        session: { startedAt: time },
        checkpoint: { lastCrawledAt: time },
        resumePlan: { reason: expect.any(String) as string, previousSession: { completedAt: time } },
      })
    }
  })

  it('are the same where Prisma reads: as nodes, as columns and as joined relations', async () => {
    await stored.query(`
      UPDATE crawler.crawl_session SET resumed_from = session_id;
      UPDATE crawler.checkpoint_revision SET session_id = 's' || substr(user_id, 2)`)
    const { users } = await waymark.ask(`{ users { nodes { userId checkpoints { ${CHECKPOINT} } } } }`)
    expect(users.nodes).toEqual(
      told.map((time, n) => ({
        userId: `u${n}`,
        checkpoints: [
          { userId: `u${n}`, lastCrawledAt: time, createdAt: time, updatedAt: time, lastCompletedAt: time },
        ],
      })),
    )
    for (const [n, time] of told.entries()) {
      const nodeId = (name: string) => Buffer.from(name).toString('base64')
      const times = { startedAt: time, completedAt: time, heartbeatAt: time }
      const one = await waymark.ask(
        `{ session: node(id: "${nodeId(`CrawlSession:s${n}`)}") { ... on CrawlSession { startedAt completedAt heartbeatAt } }
          checkpoint: node(id: "${nodeId(`Checkpoint:["u${n}","twitter/bookmarks"]`)}") { ... on Checkpoint { lastCrawledAt } }
          resumed: session(sessionId: "s${n}") { resumedFrom { startedAt completedAt heartbeatAt } }
          history: checkpointHistory(userId: "u${n}") { nodes { session { startedAt completedAt heartbeatAt } } } }`,
      )
      expect(one).toEqual({
        session: times,
        checkpoint: { lastCrawledAt: time },
        resumed: { resumedFrom: times },
        history: { nodes: [{ session: times }] },
      })
    }
  })

  it.each([
    ['sessions', 'STARTED_AT_ASC', 'sessionId'],
    ['sessions', 'STARTED_AT_DESC', 'sessionId'],
    ['sessions', 'COMPLETED_AT_DESC', 'sessionId'],
    ['checkpoints', 'LAST_CRAWLED_AT_ASC', 'userId'],
    ['checkpoints', 'LAST_CRAWLED_AT_DESC', 'userId'],
    ['checkpoints', 'LAST_COMPLETED_AT_ASC', 'userId'],
    ['checkpoints', 'LAST_COMPLETED_AT_DESC', 'userId'],
  ])('are paged through one by one, forward and backward: %s by %s', async (list, order, field) => {
    const walk = async (size: string, from: string, end: string) => {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const place: string = cursor === null ? '' : `, ${from}: "${cursor}"`
        const page: Record<string, any> = await waymark.ask(
          `{ list: ${list}(${size}: 1, orderBy: ${order}${place}) { nodes { ${field} } pageInfo { ${end} } } }`,
        )
        cursor = page['list'].pageInfo[end]
        seen.push(...page['list'].nodes.map((node: Record<string, string>) => node[field]))
      } while (cursor !== null && seen.length <= texts.length)
      return seen
    }
    const ascending = texts.map((_, n) => `${field.charAt(0)}${n}`)
    const expected = order.endsWith('ASC') ? ascending : ascending.toReversed()
    expect(await walk('first', 'after', 'endCursor')).toEqual(expected)
    expect(await walk('last', 'before', 'startCursor')).toEqual(expected.toReversed())
  })

  it('do not keep the row from being written, by a save or an end', async () => {
    for (const n of texts.keys()) {
      await stored.query(
        `UPDATE crawler.crawl_session SET status = 'running', completed_at = NULL WHERE session_id = $1`,
        [`s${n}`],
      )
      const save = { userId: `u${n}`, sessionId: `s${n}`, itemId: '21' }
      expect(await mutate(waymark, 'saveCheckpoint', save)).toMatchObject({
        __typename: 'SaveCheckpointSuccess',
        checkpoint: { createdAt: told[n] },
      })
      expect(await mutate(waymark, 'stopSession', { sessionId: `s${n}` })).toMatchObject({
        __typename: 'EndSessionSuccess',
      })
      const odd = `UPDATE crawler.crawl_session SET completed_at = $1 WHERE session_id = $2`
      await stored.query(odd, [texts[n], `s${n}`])
    }
  })

  it('are pruned as what they are: what has not ended yet stays', async () => {
    const database = openQuietDatabase(stored.url, { poolSize: 1 })
    const settings = { historyKeepRevisions: 100, historyRetentionDays: 30, sessionRetentionDays: 1 }
    try {
      expect(await runRetentionOnce(database, settings)).toMatchObject({ sessions: 4 })
    } finally {
      await database.close()
    }
    const { sessions } = await waymark.ask('{ sessions(orderBy: STARTED_AT_ASC) { nodes { sessionId } } }')
    expect(sessions.nodes).toEqual(['s4', 's5', 's6'].map((sessionId) => ({ sessionId })))
  })
})
