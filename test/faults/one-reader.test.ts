import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { withClient } from '../support/database.ts'
import { countStatements, isPageOfEvents } from '../support/statement-count.ts'
import { mutate, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { openStream } from '../integration/events/sse.ts'

const WATCH = { query: 'subscription { told: sessionStatusChanged { cursor sessionId kind } }' }

/** What the server asks of the database: a look at the outbox, a page of its events, the reaper, or anything else. */
type Kind = 'look' | 'page' | 'reap' | 'notify' | 'on its own' | 'other'

function kindOf(text: string): Kind {
  if (text.includes('pg_locks')) return 'look'
  if (text.includes('FROM crawler.feed_event WHERE event_id >')) return 'page'
  if (text.includes('crawler.reap')) return 'reap'
  if (text.includes('pg_notify')) return 'notify'
  if (
    /SELECT crawler\.clock\(\) AS now|waymark retention|crawler\.log_partition|crawler\.(?:open|make)_partition|^LISTEN|SET final_up_to|'lock_timeout'/.test(
      text,
    )
  )
    return 'on its own'
  return 'other'
}

const noCounts = (): Record<Kind, number> => ({ look: 0, page: 0, reap: 0, notify: 0, 'on its own': 0, other: 0 })
const within = { timeout: 20_000 }

describe.each([1, 200])('with %s subscribers', (subscribers) => {
  let waymark: TestWaymark
  let leave: AbortController
  let counts: Record<Kind, number>

  beforeAll(async () => {
    waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'alice' })
    // The reaper's first look at a database that was idle ends an outage, and announces what it may have ended.
    const look = `SELECT crawler.clock() - ticked_at < interval '2 seconds' AS "hasLooked" FROM crawler.reaper`
    await vi.waitUntil(async () => {
      const [row] = await waymark.database.query<{ hasLooked: boolean }>(look)
      return row?.hasLooked
    }, within)
    // The announcement follows its commit.
    await delay(500)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  /** Every statement of every connection of the server's pool. */
  beforeEach(() => {
    leave = new AbortController()
    counts = noCounts()
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` by Reflect.apply
    const original = pg.Client.prototype.query
    vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
      const [first] = args
      counts[kindOf(typeof first === 'string' ? first : (first as { text: string }).text)] += 1
      return Reflect.apply(original, this, args)
    })
  })
  afterEach(() => {
    leave.abort()
    vi.restoreAllMocks()
  })

  async function watchAll() {
    const streams = await Promise.all(
      Array.from({ length: subscribers }, () =>
        openStream<{ told: { sessionId: string } }>(waymark.url, WATCH, leave.signal),
      ),
    )
    return { next: () => Promise.all(streams.map((stream) => stream.next())) }
  }

  it('a change that somebody else makes is found by one look and read by one statement, for all', async () => {
    const watchers = await watchAll()
    for (const sessionId of ['one', 'two', 'three']) {
      counts = noCounts()
      // One of these is the test's own.
      await waymark.database.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ($1, 'alice', now())`,
        [sessionId],
      )
      const told = await watchers.next()
      expect(new Set(told.map(({ value }) => value?.data?.told.sessionId))).toEqual(new Set([sessionId]))
      expect(counts).toMatchObject({ page: 1, notify: 0, other: 1 })
    }
  })

  it('many commits that are announced while a look is on its way become one more look, and one page', async () => {
    const watchers = await watchAll()
    const users = Array.from({ length: 40 }, (_, place) => `crowd-${place}`)
    await waymark.database.query(`INSERT INTO public."user" SELECT unnest($1::text[])`, [users])
    await withClient(waymark.database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.feed')
      counts = noCounts()
      await Promise.all(users.map((userId) => mutate(waymark, 'startSession', { userId })))
      await client.query('COMMIT')
    })
    for (const _ of users) await watchers.next()
    // One that found the table locked, one for all that was announced meanwhile, one for what was heard last; and a tick in between.
    expect(counts.look).toBeLessThanOrEqual(5)
    expect(counts.page).toBeLessThanOrEqual(2)
    expect(counts.notify).toBeLessThan(users.length)
  })

  it('an idle server looks at most once a second, and asks nothing else but the reaper', async () => {
    await watchAll()
    // Until what the test before caused is over; a server that is never idle never gets through.
    do {
      counts = noCounts()
      await expect.poll(() => counts.look, within).toBeGreaterThanOrEqual(2)
    } while (counts.page + counts.notify > 0)
    counts = noCounts()
    const startedAt = performance.now()
    await expect.poll(() => counts.look, { timeout: 30_000, interval: 10 }).toBeGreaterThanOrEqual(6)
    // One tick on either side, and one that was late.
    expect(counts.look).toBeLessThanOrEqual((performance.now() - startedAt) / 1_000 + 3)
    expect(counts).toMatchObject({ page: 0, notify: 0, other: 0 })
    expect(counts.reap).toBeLessThanOrEqual(counts.look + 1)
  })
})

describe('with no subscriber', () => {
  it('a change is looked at and its event not read, until somebody asks for what came since', async () => {
    await using waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'alice' })
    const { sessions } = await waymark.ask<{ sessions: { feedCursor: string } }>('{ sessions { feedCursor } }')
    const { statements } = await countStatements(
      async () => {
        await mutate(waymark, 'startSession', { sessionId: 'one', userId: 'alice' })
        const lag = async () =>
          (await waymark.ask<{ sessions: { feedCursor: string } }>('{ sessions { feedCursor } }')).sessions
        await expect.poll(lag, within).not.toEqual(sessions)
      },
      { isCounted: isPageOfEvents },
    )
    expect(statements).toEqual([])
    const leave = new AbortController()
    const query = `subscription { told: sessionStatusChanged(after: "${sessions.feedCursor}") { sessionId } }`
    const stream = await openStream<{ told: { sessionId: string } }>(waymark.url, { query }, leave.signal)
    expect((await stream.next()).value?.data?.told.sessionId).toBe('one')
    leave.abort()
  })
})
