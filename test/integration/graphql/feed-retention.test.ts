import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Database } from '../../../src/database/database.ts'
import { keepPartitions } from '../../../src/database/partitions.ts'
import { markPruned } from '../../../src/events/outbox.ts'
import { decodeFeedCursor, encodeFeedCursor } from '../../../src/events/cursor.ts'
import { createTestDatabase } from '../../support/database.ts'
import { type FeedWatch, readFeed, watchLive } from '../../support/feed-reader.ts'
import { longEvents, StallingSubscriber } from '../../support/stalling-subscriber.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { clientOf, mutate, startOn, startWaymark, type TestWaymark } from '../../support/waymark.ts'

/** A run of retention that waited for something is followed by a pause of four times as long. */
const patience = { timeout: 60_000 }
vi.setConfig({ testTimeout: 150_000 })

describe('a feed whose old events are deleted', () => {
  let waymark: TestWaymark
  let database: Database
  beforeAll(async () => {
    waymark = await startWaymark()
    database = openQuietDatabase(waymark.database.url, { statementTimeoutMs: 5_000 })
    for (const userId of ['busy', 'quiet']) await mutate(waymark, 'registerUser', { userId })
  })
  afterAll(async () => {
    await database.close()
    await waymark[Symbol.asyncDispose]()
  })

  let item = 0
  async function save(userId: string): Promise<string> {
    item += 1
    await mutate(waymark, 'saveCheckpoint', { userId, itemId: String(item) })
    return String(item)
  }

  const position = async () =>
    (await waymark.ask('{ checkpoints(first: 1) { feedCursor } }')).checkpoints.feedCursor as string

  /** Retires every event of now, as if each were older than the retention. */
  async function prune(): Promise<void> {
    const [row] = await database.query<{ last: string }>({
      text: 'SELECT max(event_id) AS last FROM crawler.feed_event',
      values: [],
    })
    const last = BigInt(row?.last ?? 0)
    // A server retires nothing that its own feed hasn't read yet.
    await expect.poll(async () => (decodeFeedCursor(await position())?.eventId ?? 0n) >= last, patience).toBe(true)
    const keep = (keepHours: number) =>
      keepPartitions(database, {
        name: 'feed_event',
        keepHours,
        partitionHours: 0,
        mayRetire: (partition) => markPruned(database, partition, last),
      })
    await expect.poll(() => keep(0), patience).toBe(1)
  }

  const itemsOf = ({ told, code }: FeedWatch) => code ?? told.map(({ lastItemId }) => lastItemId)
  const watch = (after: string, filter: Record<string, unknown> = {}) =>
    watchLive(waymark.url, 'checkpointChanged', { after, filter })

  it('goes on telling whoever is connected, event by event, while deleting goes on behind them', async () => {
    using watching = watch(await position())
    const saved: string[] = []
    for (let round = 0; round < 5; round += 1) {
      for (let time = 0; time < 5; time += 1) saved.push(await save('busy'))
      await expect.poll(() => itemsOf(watching), patience).toEqual(saved)
      await prune()
    }
    saved.push(await save('busy'))
    await expect.poll(() => itemsOf(watching), patience).toEqual(saved)
  })

  it('lets a subscriber whose filter seldom matches resume while its last cursor is kept, and says when it is not', async () => {
    const filter = { userId: 'quiet' }
    using connected = watch(await position(), filter)
    const first = await save('quiet')
    await expect.poll(() => itemsOf(connected), patience).toEqual([first])
    const cursor = connected.told[0]?.cursor ?? ''
    for (let time = 0; time < 5; time += 1) await save('busy')
    const second = await save('quiet')
    {
      using resumed = watch(cursor, filter)
      await expect.poll(() => itemsOf(resumed), patience).toEqual([second])
    }
    await save('busy')
    await expect.poll(() => itemsOf(connected), patience).toEqual([first, second])

    await prune()

    const refused = await readFeed(waymark.url, 'checkpointChanged', { after: cursor, filter }, 1)
    expect(refused.code).toBe('CURSOR_EXPIRED')
    // Who stayed connected has missed nothing, and who takes the cursor that the message names misses nothing more.
    const oldest = /oldest cursor that works is ([\w-]+)/.exec(refused.message ?? '')?.[1] ?? ''
    using fromOldest = watch(oldest, filter)
    const third = await save('quiet')
    await expect.poll(() => itemsOf(connected), patience).toEqual([first, second, third])
    await expect.poll(() => itemsOf(fromOldest), patience).toEqual([third])
  })

  it('names the oldest cursor that works: the one before it does not', async () => {
    const before = await position()
    await save('busy')
    await expect.poll(position, patience).not.toBe(before)
    await prune()
    const { message } = await readFeed(waymark.url, 'checkpointChanged', { after: before }, 1)
    const oldest = /oldest cursor that works is ([\w-]+)/.exec(message ?? '')?.[1] ?? ''
    const kept = await save('busy')
    using watching = watch(oldest)
    await expect.poll(() => itemsOf(watching), patience).toEqual([kept])
    const { generation, eventId } = decodeFeedCursor(oldest) ?? { generation: '', eventId: 0n }
    using tooOld = watch(encodeFeedCursor({ generation, eventId: eventId - 1n }))
    await expect.poll(() => itemsOf(tooOld), patience).toBe('CURSOR_EXPIRED')
  })

  it('tells a connected reader that is slower than the retention everything up to a place, and then CURSOR_EXPIRED: no gap', async () => {
    const query = longEvents('sessionStatusChanged(after: $after, filter: { userId: "busy" })', 'sessionId')
    const operation = { query, variables: { after: await position() } }
    using slow = await StallingSubscriber.open(waymark.url, operation, /"sessionId":"([^"]+)"/)
    slow.stall()
    // More than the server remembers, and 40 MB: more than the kernel takes for a reader that reads nothing.
    const count = 4_000
    await waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id) SELECT n, 'busy' FROM generate_series(1, ${count}) n`,
    )
    const last = await position()
    await expect.poll(position, patience).not.toBe(last)
    await prune()
    slow.goOn()
    await expect.poll(() => slow.isComplete, patience).toBe(true)
    const told = slow.told.slice(0, -1)
    expect(told).toEqual(told.map((_, place) => String(place + 1)))
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThan(count)
    expect(JSON.parse(slow.told.at(-1) ?? '')).toMatchObject({ errors: [{ extensions: { code: 'CURSOR_EXPIRED' } }] })
  })
})

it('a server deletes what is older than FEED_RETENTION_HOURS by itself, and names the oldest cursor that works', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  // The database that tests copy may be a quarter of an hour old: then its partition is due to be followed by the next.
  await database.query('UPDATE crawler.log_partition SET opened_at = crawler.clock() WHERE opened_at IS NOT NULL')
  const app = await startOn(database.url, { FEED_RETENTION_HOURS: '3' }, { pruneEachMs: 20 })
  // Before its database is dropped: what was told last is done first.
  onTestFinished(() => app.close())
  const waymark = { ...clientOf(app.url), database }
  await mutate(waymark, 'registerUser', { userId: 'alice' })
  const { checkpoints } = await waymark.ask('{ checkpoints(first: 1) { feedCursor } }')
  const save = (itemId: string) => mutate(waymark, 'saveCheckpoint', { userId: 'alice', itemId })
  const read = (after: string, count: number) => readFeed(waymark.url, 'checkpointChanged', { after }, count)
  const items = (reading: Awaited<ReturnType<typeof read>>) => reading.told.map(({ lastItemId }) => lastItemId)
  const opened = () =>
    waymark.database.query(
      `SELECT name FROM crawler.log_partition WHERE parent = 'feed_event' AND opened_at IS NOT NULL`,
    )
  /** Moves the time at which each partition was opened into the past. */
  const age = (hours: number) =>
    waymark.database.query(
      `UPDATE crawler.log_partition SET opened_at = opened_at - $1 * interval '1 hour' WHERE parent = 'feed_event'`,
      [hours],
    )
  await save('1')
  await save('2')
  await age(1)
  await expect.poll(opened, patience).toHaveLength(2)
  await save('3')
  expect(items(await read(checkpoints.feedCursor, 3))).toEqual(['1', '2', '3'])

  const left = () => waymark.database.query('SELECT last_item_id AS "itemId" FROM crawler.feed_event ORDER BY event_id')
  await age(2.9)
  await expect.poll(opened, patience).toHaveLength(3)
  expect(await left()).toEqual([{ itemId: '1' }, { itemId: '2' }, { itemId: '3' }])
  await age(0.2)
  await expect.poll(left, patience).toEqual([{ itemId: '3' }])
  const refused = await read(checkpoints.feedCursor, 1)
  expect(refused.code).toBe('CURSOR_EXPIRED')
  const oldest = /oldest cursor that works is ([\w-]+)/.exec(refused.message ?? '')?.[1] ?? ''
  expect(items(await read(oldest, 1))).toEqual(['3'])
})
