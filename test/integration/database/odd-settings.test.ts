import { describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { watchLive } from '../../support/feed-reader.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const settings = {
  datestyle: `'SQL, DMY'`,
  intervalstyle: `'iso_8601'`,
  timezone: `'Asia/Kathmandu'`,
  bytea_output: `'escape'`,
  extra_float_digits: `-15`,
  array_nulls: `off`,
  standard_conforming_strings: `off`,
  backslash_quote: `off`,
  quote_all_identifiers: `on`,
  transform_null_equals: `on`,
  search_path: `'nowhere'`,
  default_transaction_isolation: `'serializable'`,
  default_transaction_deferrable: `on`,
  lc_messages: `'C'`,
  client_min_messages: `'error'`,
  synchronous_commit: `'off'`,
}

async function configure(database: TestDatabase): Promise<void> {
  const changes = Object.entries(settings).map(
    ([name, value]) => `ALTER DATABASE ${database.name} SET ${name} = ${value}`,
  )
  await database.query(changes.join('; '))
}

/** What a client sees of a crawl. */
async function crawl(url: string) {
  const client = clientOf(url)
  await mutate(client, 'registerUser', { userId: 'ada' })
  using watch = watchLive(url, 'checkpointChanged', { filter: { userId: 'ada' } })
  const started = await mutate(client, 'startSession', { userId: 'ada', sessionId: 'one' })
  const before = Date.now()
  for (const itemId of ['1790000000000000001', '1790000000000000002']) {
    await mutate(client, 'saveCheckpoint', { userId: 'ada', itemId, bookmarksAdded: 1, sessionId: 'one' })
  }
  const { checkpoint, sessions } = await client.ask(`{
    checkpoint(userId: "ada") { lastItemId bookmarksCount version lastCrawledAt createdAt updatedAt }
    sessions(first: 5) { nodes { sessionId status startedAt } } }`)
  await expect.poll(() => watch.told.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
  const { lastCrawledAt, createdAt, updatedAt, ...rest } = checkpoint as Record<string, unknown>
  const [{ startedAt, ...session }] = sessions.nodes as [Record<string, unknown>]
  return {
    started: started.__typename,
    items: watch.told.map(({ lastItemId }) => lastItemId),
    checkpoint: rest,
    session,
    isTimeOf: [lastCrawledAt, createdAt, updatedAt, startedAt].map(
      (time) => Math.abs(Date.parse(String(time)) - before) < 10 * 60_000,
    ),
  }
}

describe('a database with settings of its own', { timeout: 60_000 }, () => {
  it.each(['empty', 'migrated'] as const)('migrates, verifies and serves as any other: %s', async (kind) => {
    await using odd = await createTestDatabase(kind)
    await using usual = await createTestDatabase()
    await configure(odd)
    await migrate({ databaseUrl: odd.url })
    expect(await verifySchema({ databaseUrl: odd.url })).toEqual({ differences: [], notes: [], diff: '' })
    const [oddApp, usualApp] = [await startOn(odd.url), await startOn(usual.url)]
    try {
      const seen = await crawl(oddApp.url)
      expect(seen).toEqual(await crawl(usualApp.url))
      expect(seen.isTimeOf).toEqual([true, true, true, true])
    } finally {
      await Promise.all([oddApp.close(), usualApp.close()])
    }
  })
})
