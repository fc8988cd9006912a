import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { pruneEvents } from '../../src/events/outbox.ts'
import { decodeFeedCursor, encodeFeedCursor } from '../../src/events/cursor.ts'
import { type FeedWatch, readFeed, watchLive } from '../support/feed-reader.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'

const patience = { timeout: 20_000 }

describe('a feed whose old events are deleted', () => {
  let waymark: TestWaymark
  let database: Database
  beforeAll(async () => {
    waymark = await startWaymark()
    database = openDatabase({
      url: waymark.database.url,
      poolSize: 2,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 5_000,
      log: pino({ level: 'silent' }),
    })
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

  /** Deletes every event of now, as if each were older than the retention. */
  async function prune(): Promise<void> {
    await database.query({
      text: `UPDATE crawler.feed_event SET occurred_at = occurred_at - interval '200 hours'`,
      values: [],
    })
    const [row] = await database.query<{ last: string }>({
      text: 'SELECT max(event_id) AS last FROM crawler.feed_event',
      values: [],
    })
    await pruneEvents(database, { retentionHours: 168, upTo: BigInt(row?.last ?? 0), limit: 1_000 })
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
})
