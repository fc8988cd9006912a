import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { CheckpointRecord, FeedEvent, SessionRecord } from '../../../src/events/outbox.ts'
import { seededRandom } from '../../support/crawl-random.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { rounds } from '../../faults/rounds.ts'
import { openFeed } from './open-feed.ts'
import { prepareRows, writeTransactions } from './writers.ts'

/** For each of the two; 100,000 together in `npm run test:faults`. */
const EVENTS = rounds(50_000, 10_000)

/** What nearly everybody writes first: remembers the highest ID, and asks for what is above. */
function rememberHighest(database: TestDatabase) {
  const told: string[] = []
  const stopping = new AbortController()
  const reading = withClient(database.url, async (client) => {
    let highest = '0'
    while (!stopping.signal.aborted) {
      const { rows } = await client.query<{ event_id: string }>(
        'SELECT event_id FROM crawler.feed_event WHERE event_id > $1 ORDER BY event_id',
        [highest],
      )
      highest = rows.at(-1)?.event_id ?? highest
      for (const { event_id } of rows) told.push(event_id)
      await delay(5)
    }
  })
  const stop = () => {
    stopping.abort()
    return reading
  }
  return { told, stop, [Symbol.asyncDispose]: stop }
}

describe.each([
  ['3 writers', 3],
  ['16 writers', 16],
])('under %s of slow, rolled back and nested transactions over two rows each', (_title, writers) => {
  it('the feed tells each event once, in its row’s order, where a reader of max(id) loses some', async () => {
    await using database = await createTestDatabase()
    const rows = writers + 1
    await prepareRows(database, rows)
    await using open = await openFeed(database.url)
    // The rows' own beginnings are before it.
    const [start] = await database.query<{ highest: string }>('SELECT max(event_id) AS highest FROM crawler.feed_event')
    expect(String(open.feed.position())).toBe(start?.highest)
    const told = open.follow()
    await using naive = rememberHighest(database)
    const written = await Promise.all(
      Array.from({ length: writers }, (_, seed) =>
        writeTransactions(database.url, {
          random: seededRandom(seed),
          rows,
          events: EVENTS / writers,
          onCommit: () => {
            open.feed.announce()
          },
        }),
      ),
    )
    const total = written.reduce((sum, events) => sum + events, 0)
    expect(total).toBeGreaterThanOrEqual(EVENTS)
    await expect.poll(() => told.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(total)

    const outbox = await database.query<{ event_id: string }>(
      'SELECT event_id FROM crawler.feed_event WHERE event_id > $1 ORDER BY event_id',
      [start?.highest],
    )
    expect(outbox).toHaveLength(total)
    expect(firstDifference(told, outbox)).toBeUndefined()
    await expectSessionsInOrder(database, told)
    await expectCheckpointsInOrder(database, told)

    await naive.stop()
    const heard = new Set(naive.told)
    const lost = outbox.filter(({ event_id }) => !heard.has(event_id))
    expect(lost.length).toBeGreaterThan(0)
  }, 120_000)
})

function firstDifference(told: readonly FeedEvent[], outbox: readonly { readonly event_id: string }[]) {
  for (let place = 0; place < Math.max(told.length, outbox.length); place += 1) {
    const [got, kept] = [told[place]?.eventId.toString(), outbox[place]?.event_id]
    if (got !== kept) return { place, told: got, outbox: kept }
  }
  return undefined
}

/** The row counts its changes, and each status has one that follows it: nothing can be missing, doubled or swapped. */
async function expectSessionsInOrder(database: TestDatabase, told: readonly FeedEvent[]): Promise<void> {
  const next: Record<string, string> = {
    running: 'completed',
    completed: 'stopped',
    stopped: 'failed',
    failed: 'running',
  }
  const bySession = groupBy(
    told.filter((event): event is SessionRecord => event.topic === 'session'),
    ({ sessionId }) => sessionId,
  )
  const rows = await database.query<{ session_id: string; changes: number; status: string }>(
    'SELECT session_id, bookmarks_processed AS changes, status FROM crawler.crawl_session',
  )
  for (const { session_id, changes, status } of rows) {
    const events = bySession.get(session_id) ?? []
    expect(events).toHaveLength(changes)
    let current = 'running'
    for (const event of events) {
      expect(event.previousStatus).toBe(current)
      expect(event.status).toBe(next[current])
      current = event.status
    }
    expect(current).toBe(status)
  }
}

async function expectCheckpointsInOrder(database: TestDatabase, told: readonly FeedEvent[]): Promise<void> {
  const byUser = groupBy(
    told.filter((event): event is CheckpointRecord => event.topic === 'checkpoint'),
    ({ userId }) => userId,
  )
  const rows = await database.query<{ user_id: string; history: { version: number; count: number }[] }>(
    `SELECT user_id, jsonb_agg(jsonb_build_object('version', version, 'count', bookmarks_count) ORDER BY version) AS history
     FROM crawler.checkpoint_revision WHERE version > 1 GROUP BY user_id`,
  )
  for (const { user_id, history } of rows) {
    const events = byUser.get(user_id) ?? []
    expect(events.map(({ version, bookmarksCount }) => ({ version, count: bookmarksCount }))).toEqual(history)
    const [row] = await database.query<{ count: number }>(
      'SELECT bookmarks_count AS count FROM crawler.twitter_crawl_checkpoint WHERE user_id = $1',
      [user_id],
    )
    expect(row?.count).toBe(history.length)
  }
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
