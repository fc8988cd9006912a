import { expect, it } from 'vitest'
import { startOwnPostgres } from '../../e2e/own-postgres.ts'
import { withClient } from '../../support/database.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const LISTS = 50
const ROUNDS = 60

it('3,000 saves of 50 sessions leave crawl_session and crawl_state over 80 % HOT, and vacuum comes early to what churns', async () => {
  // Of its own: an open transaction of another database keeps this one's dead rows in their pages.
  await using postgres = await startOwnPostgres()
  const app = await startOn(postgres.url)
  const waymark = clientOf(app.url)
  const query = <Row extends object>(sql: string) =>
    withClient(postgres.url, async (client) => (await client.query<Row>(sql)).rows)
  await mutate(waymark, 'registerUser', { userId: 'ann' })
  const sessions = await Promise.all(
    Array.from({ length: LISTS }, async (_, n) => {
      const stream = `twitter/list-${n}`
      const { session } = await mutate(waymark, 'startSession', { userId: 'ann', stream })
      return { stream, sessionId: (session as { sessionId: string }).sessionId }
    }),
  )
  const count = async () =>
    new Map(
      (
        await query<{ relname: string; updates: number; hot: number }>(
          `SELECT relname, n_tup_upd::integer AS updates, n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables
          WHERE schemaname = 'crawler'`,
        )
      ).map(({ relname, updates, hot }) => [relname, { updates, hot }]),
    )
  for (let round = 1; round <= ROUNDS; round += 1) {
    const inputs = sessions.map(({ stream, sessionId }, n) => ({
      userId: 'ann',
      stream,
      sessionId,
      itemId: String(1_000_000 + round * LISTS + n),
      bookmarksAdded: 1,
      pageToken: `page ${round}`,
    }))
    const { results } = await waymark.ask<{ results: { __typename: string }[] }>(
      'mutation ($inputs: [SaveCheckpointInput!]!) { results: saveCheckpoints(inputs: $inputs) { __typename } }',
      { inputs },
    )
    expect(new Set(results.map(({ __typename }) => __typename))).toEqual(new Set(['SaveCheckpointSuccess']))
  }
  // A connection reports its statistics a second after its last use, or ten.
  const saves = LISTS * ROUNDS
  await expect
    .poll(async () => (await count()).get('crawl_session')?.updates, { timeout: 30_000 })
    .toBeGreaterThanOrEqual(saves)
  const tables = await count()
  for (const table of ['crawl_session', 'crawl_state']) {
    const { updates, hot } = tables.get(table) ?? { updates: 0, hot: 0 }
    expect(updates, table).toBeGreaterThanOrEqual(saves)
    expect(hot / updates, `${table}: ${hot} of ${updates}`).toBeGreaterThan(0.8)
  }
  const settings = await query<{ relname: string; settings: string[] }>(
    `SELECT relname, reloptions AS settings FROM pg_class
    WHERE relnamespace = 'crawler'::regnamespace AND reloptions::text LIKE '%autovacuum_vacuum_scale_factor%' ORDER BY relname`,
  )
  expect(settings.map(({ relname }) => relname)).toEqual(
    expect.arrayContaining([
      'crawl_checkpoint_other',
      'crawl_session',
      'crawl_state',
      'lease_look',
      'twitter_crawl_checkpoint',
    ]),
  )
  await app.close()
})
