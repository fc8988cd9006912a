import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKey } from '../../../src/access/keys.ts'
import type { Database } from '../../../src/database/database.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { type Ask, transports } from './transports.ts'

/** A question without a scan costs 2 or 3 of them. */
const POINTS = 300
/** To count so many takes 3 ms and more. */
const ROWS = 40_000
const FEW = 20
const MANY = 60

const counts: readonly [what: string, count: (userId: string) => string][] = [
  ['sessionStats', (userId) => `{ sessionStats(filter: { userId: "${userId}" }) { total } }`],
  ['totalCount', (userId) => `{ sessions(first: 1, filter: { userId: "${userId}" }) { totalCount } }`],
  ["a user's totalCount", (userId) => `{ user(userId: "${userId}") { sessions(first: 1) { totalCount } } }`],
  [
    'a dry run of pruneSessions',
    (userId) => `mutation { pruneSessions(input: { userId: "${userId}", completedBefore: "2026-06-01T00:00:00Z",
      dryRun: true }) { ... on PruneSessionsSuccess { count } } }`,
  ],
]

let waymark: TestWaymark
let database: Database
beforeAll(async () => {
  waymark = await startWaymark({ AUTHENTICATION: 'keys', RATE_LIMIT_POINTS_PER_MINUTE: String(POINTS) })
  database = openQuietDatabase(waymark.database.url)
  // Without the triggers: nobody follows these sessions.
  await waymark.database.query(`SET session_replication_role = replica;
    INSERT INTO public."user" VALUES ('busy'), ('idle');
    INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
      SELECT 'session-' || n, 'busy', '2026-01-01', '2026-01-02', 'completed' FROM generate_series(1, ${ROWS}) n;
    ANALYZE crawler.crawl_session`)
}, 60_000)
afterAll(async () => {
  await database.close()
  await waymark[Symbol.asyncDispose]()
})

let names = 0
/** Asks as a caller of its own. @returns how often it was answered before it was refused */
async function answered(ask: Ask, query: string, most: number): Promise<number> {
  const input = { client: `client-${(names += 1)}`, scopes: ['read', 'operate'] as const, userIds: undefined }
  const created = await createKey(database, localOperator, { ...input, expiresAt: undefined }, new Date())
  if (created instanceof Error) throw created
  for (let asked = 0; asked < most; asked += 1) {
    const { data, errors } = await ask(waymark.url, query, {}, { authorization: `Bearer ${created.text}` })
    if (errors?.[0]?.extensions['code'] === 'RATE_LIMITED') return asked
    expect([errors, typeof data]).toEqual([undefined, 'object'])
  }
  return most
}

describe.each(Object.entries(transports))('over %s', (_, ask) => {
  it.each(counts)(
    '%s of many rows costs more points than of none, and is answered before they are taken',
    async (_, count) => {
      expect(await answered(ask, count('idle'), FEW)).toBe(FEW)
      const often = await answered(ask, count('busy'), MANY)
      expect(often).toBeGreaterThan(0)
      expect(often).toBeLessThan(MANY)
    },
  )
})
