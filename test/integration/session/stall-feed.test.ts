import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'
import { readFeed, watchLive } from '../../support/feed-reader.ts'

const within = { timeout: 20_000, interval: 50 }
const ROUND = 4
/** Much longer than a busy machine takes for a step. */
const LONG = { leaseSeconds: 600 }

/** The server's reaper looks each second by itself. */
describe('the feed of sessions', () => {
  const crawls = setUpCrawls()
  const cursor = async () =>
    (await crawls.waymark.ask('{ sessions(first: 1) { feedCursor } }')).sessions.feedCursor as string
  const kindsOf = (sessionId: string) =>
    crawls.waymark.database
      .query<{ kind: string; previous_status: string; status: string }>(
        'SELECT kind, previous_status, status FROM crawler.feed_event WHERE session_id = $1 ORDER BY event_id',
        [sessionId],
      )
      .then((events) => events.map(({ kind }) => kind.replace('SESSION_', '')))
  /** A reaper looks, and then nothing more comes. */
  const afterLook = async (sessionId: string) => {
    await crawls.waymark.database.query('SELECT crawler.tell_stalls()')
    return (await kindsOf(sessionId)).filter((kind) => kind !== 'CHECKPOINT_SAVED')
  }
  const stay = async (sessionId: string, leases: number) => {
    for (let beat = 0; beat < leases; beat += 1) {
      await crawls.clock.advance(550)
      await crawls.run('heartbeat', { sessionId })
    }
  }
  const limit = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()

  it('tells STALLED once an episode, RECOVERED, and STALLED again, each with the status that stays', async () => {
    const after = await cursor()
    const sessionId = await crawls.startId(LONG)
    using watch = watchLive(crawls.waymark.url, 'sessionStatusChanged', { filter: { userId: crawls.userId }, after })
    const live = () => watch.told.map(({ kind }) => kind)
    await stay(sessionId, 4)
    expect(await afterLook(sessionId)).toEqual(['STARTED'])
    await stay(sessionId, 2)
    await expect.poll(live, within).toEqual(['STARTED', 'STALLED'])
    expect(await crawls.session(sessionId)).toMatchObject({ status: 'RUNNING' })
    await stay(sessionId, 3)
    expect(await afterLook(sessionId)).toEqual(['STARTED', 'STALLED'])
    await crawls.save({ sessionId })
    await expect.poll(live, within).toEqual(['STARTED', 'STALLED', 'RECOVERED'])
    expect(await afterLook(sessionId)).toEqual(['STARTED', 'STALLED', 'RECOVERED'])
    await stay(sessionId, 6)
    await expect.poll(live, within).toEqual(['STARTED', 'STALLED', 'RECOVERED', 'STALLED'])
    await crawls.run('stopSession', { sessionId })
    await expect.poll(live, within).toEqual(['STARTED', 'STALLED', 'RECOVERED', 'STALLED', 'STATUS_CHANGED'])
    for (const event of watch.told.slice(1, 4)) {
      expect(event).toMatchObject({ previousStatus: 'RUNNING', status: 'RUNNING', sessionId })
    }
    expect(await afterLook(sessionId)).toHaveLength(5)
    // And all of it again, to whoever comes later.
    const { told } = await readFeed(
      crawls.waymark.url,
      'sessionStatusChanged',
      { after, filter: { userId: crawls.userId } },
      5,
    )
    expect(told.map(({ kind }) => kind)).toEqual(live())
  })

  it('tells a loop at once, once, and not as recovered while it goes on', async () => {
    const sessionId = await crawls.startId()
    for (let save = 0; save < 40; save += 1) {
      await crawls.save({ sessionId, itemId: String(20 + save), pageToken: `page ${save % ROUND}` })
    }
    await expect.poll(() => afterLook(sessionId), within).toEqual(['STARTED', 'STALLED'])
    await crawls.save({ sessionId, itemId: '90', pageToken: 'another' })
    expect(await afterLook(sessionId)).toEqual(['STARTED', 'STALLED'])
  })

  it('never tells of a session that has ended, or whose lease has run out', async () => {
    const ended = await crawls.startId(LONG)
    await stay(ended, 6)
    await crawls.run('failSession', { sessionId: ended, errorMessage: 'gone' })
    const sessionId = await crawls.startId(LONG)
    await stay(sessionId, 4)
    // Five leases have gone by, and the last of them was not renewed.
    await crawls.clock.advance(1000)
    await expect.poll(() => kindsOf(sessionId), within).toContain('STATUS_CHANGED')
    expect(await afterLook(sessionId)).toEqual(['STARTED', 'STATUS_CHANGED'])
    const told = await afterLook(ended)
    expect(told.at(-1)).toBe('STATUS_CHANGED')
  })

  it('tells nobody STALLED who is rate limited, and RECOVERED of who reports a limit', async () => {
    const sessionId = await crawls.startId()
    await crawls.clock.advance(30)
    // The server judges the limit by its own clock, which the test does not move.
    const [{ until }] = (await crawls.waymark.database.query<{ until: Date }>(
      `SELECT crawler.clock() + interval '20 minutes' AS until`,
    )) as [{ until: Date }]
    await crawls.run('heartbeat', { sessionId, rateLimitedUntil: until.toISOString() })
    await crawls.clock.advance(900)
    expect(await afterLook(sessionId)).toEqual(['STARTED', 'RATE_LIMITED'])
    await crawls.run('heartbeat', { sessionId })
    // It is looked at again within a lease.
    for (let beat = 0; beat < 2; beat += 1) {
      await crawls.clock.advance(40)
      await crawls.run('heartbeat', { sessionId })
    }
    await expect.poll(() => afterLook(sessionId), within).toEqual(['STARTED', 'RATE_LIMITED', 'STALLED'])
    await crawls.run('heartbeat', { sessionId, rateLimitedUntil: until.toISOString() })
    await expect.poll(() => afterLook(sessionId), within).toEqual(['STARTED', 'RATE_LIMITED', 'STALLED', 'RECOVERED'])
  })

  it('tells RATE_LIMITED once until the session saves again, by heartbeats and by saves', async () => {
    const after = await cursor()
    const sessionId = await crawls.startId({ leaseSeconds: 3600 })
    const beat = (rateLimitedUntil?: string) => crawls.run('heartbeat', { sessionId, rateLimitedUntil })
    const save = (itemId: string, rateLimitedUntil?: string) => crawls.save({ sessionId, itemId, rateLimitedUntil })
    const limits = async () => (await kindsOf(sessionId)).filter((kind) => kind === 'RATE_LIMITED').length
    await beat()
    await save('20')
    expect(await limits()).toBe(0)
    await beat(limit(60))
    expect(await limits()).toBe(1)
    await beat(limit(120))
    await beat()
    await beat(limit(180))
    expect(await limits()).toBe(1)
    await save('21')
    expect(await limits()).toBe(1)
    await beat(limit(60))
    expect(await limits()).toBe(2)
    // A save with a limit is a save again, and reports one.
    await save('22', limit(60))
    expect(await limits()).toBe(3)
    await beat(limit(90))
    expect(await limits()).toBe(3)
    // In a set of plain saves as alone, and not again where a save is repeated under its key.
    await save('23')
    const others = Array.from({ length: 4 }, (_, n) => ({ stream: `twitter/list-${n}` }))
    await crawls.saveAll(others)
    await crawls.saveAll([
      ...others.map((other) => ({ ...other, itemId: '30' })),
      { sessionId, itemId: '24', rateLimitedUntil: limit(60) },
    ])
    expect(await limits()).toBe(4)
    const keyed = { sessionId, itemId: '25', rateLimitedUntil: limit(60), idempotencyKey: 'page 25' }
    await crawls.save(keyed)
    await crawls.save(keyed)
    expect(await limits()).toBe(5)
    const variables = { after, filter: { userId: crawls.userId } }
    const { told } = await readFeed(crawls.waymark.url, 'sessionStatusChanged', variables, 6)
    expect(told.slice(1)).toEqual(
      Array.from({ length: 5 }, () =>
        expect.objectContaining({ kind: 'RATE_LIMITED', sessionId, previousStatus: 'RUNNING', status: 'RUNNING' }),
      ),
    )
  })

  it('refuses conditions that select rows of a list', async () => {
    for (const filter of [
      { stallReason: ['LOOP'] },
      { endReason: [] },
      { worker: 'pod-1' },
      { rateLimited: false },
      { activeAfter: '2026-01-01T00:00:00Z' },
    ]) {
      const { code, message } = await readFeed(crawls.waymark.url, 'sessionStatusChanged', { filter }, 1)
      expect([code, message]).toEqual(['BAD_USER_INPUT', expect.stringContaining(Object.keys(filter)[0] ?? '')])
    }
  })
})
