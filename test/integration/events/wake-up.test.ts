import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type pg from 'pg'
import { pino } from 'pino'
import type { App } from '../../../src/app.ts'
import { openDatabase, type Statement } from '../../../src/database/database.ts'
import { startFeed } from '../../../src/events/feed.ts'
import { FeedWatch } from '../../../src/events/watch.ts'
import { createTestDatabase } from '../../support/database.ts'
import { controlClock } from '../../support/clock.ts'
import { startOn, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { openStream } from './sse.ts'

/** So that whatever comes was told, and not found by looking. */
const NEVER_MS = 3_600_000
const within = { timeout: 20_000 }

const WATCHES = [
  'subscription { told: sessionStatusChanged { userId kind } }',
  'subscription { told: checkpointChanged { userId kind } }',
]

describe('with replicas that never look by themselves', () => {
  let writer: TestWaymark
  let reader: App
  let clock: Awaited<ReturnType<typeof controlClock>>
  let users = 0
  let userId: string
  const leave = new AbortController()
  const told = { writer: [] as string[], reader: [] as string[] }

  async function follow(url: string, heard: string[]): Promise<void> {
    for (const query of WATCHES) {
      const stream = await openStream<{ told: { userId: string; kind: string } }>(url, { query }, leave.signal)
      void (async () => {
        for await (const { data } of stream) heard.push(`${data?.told.userId} ${data?.told.kind}`)
      })()
    }
  }

  beforeAll(async () => {
    writer = await startWaymark({ SESSION_RETENTION_DAYS: '3' }, { tickMs: NEVER_MS, pruneEachMs: 50 })
    clock = await controlClock(writer.database)
    reader = await startOn(writer.database.url, {}, { tickMs: NEVER_MS })
    await follow(writer.url, told.writer)
    await follow(reader.url, told.reader)
    // A feed looks once when it begins to listen: nothing is proven until both do.
    await vi.waitFor(async () => expect(await listening()).toBe(2), within)
  })
  afterAll(async () => {
    leave.abort()
    await reader.close()
    await writer[Symbol.asyncDispose]()
  })
  beforeEach(() => (userId = `user-${(users += 1)}`))

  async function listening(): Promise<number> {
    const rows = await writer.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'`,
    )
    return rows.length
  }

  /** The write before it has been heard of: what comes next is another wake-up's doing. */
  async function heard(kind: string): Promise<void> {
    await expect.poll(() => told.writer, within).toContain(`${userId} ${kind}`)
    await expect.poll(() => told.reader, within).toContain(`${userId} ${kind}`)
  }
  const send = (mutation: string) => writer.ask(`mutation { ${mutation} { __typename } }`)
  const register = () => send(`registerUser(input: { userId: "${userId}" })`)
  const start = (sessionId = userId) => send(`startSession(input: { userId: "${userId}", sessionId: "${sessionId}" })`)
  const save = (itemId: string) => send(`saveCheckpoint(input: { userId: "${userId}", itemId: "${itemId}" })`)

  it('each kind of write through this API is told at once, here and on another replica', async () => {
    await register()
    const writes: [string, () => Promise<unknown>][] = [
      ['SAVED', () => save('1')],
      ['CLEARED', () => send(`clearCheckpoint(input: { userId: "${userId}" })`)],
      [
        'ROLLED_BACK',
        () => send(`rollbackCheckpoint(input: { userId: "${userId}", stream: "twitter/bookmarks", toVersion: 1 })`),
      ],
      ['STARTED', () => start()],
      ['STOP_REQUESTED', () => send(`requestStop(input: { sessionId: "${userId}" })`)],
      ['STATUS_CHANGED', () => send(`stopSession(input: { sessionId: "${userId}" })`)],
      [
        'DELETED',
        async () => {
          await clock.advance(25 * 3_600)
          await send(`pruneSessions(input: { completedBefore: "${await now()}", status: [STOPPED] })`)
        },
      ],
    ]
    for (const [kind, write] of writes) {
      await write()
      await heard(kind)
    }
  })

  it.each(['completeSession(input: { sessionId: "%" })', 'failSession(input: { sessionId: "%", errorMessage: "no" })'])(
    'so is %s',
    async (mutation) => {
      await register()
      await start()
      await heard('STARTED')
      await send(mutation.replace('%', userId))
      await heard('STATUS_CHANGED')
    },
  )

  it('so is a set of saves', async () => {
    await register()
    await send(`saveCheckpoints(inputs: [{ userId: "${userId}", itemId: "1" }])`)
    await heard('SAVED')
  })

  it('so is the end of a lease, and what retention deletes', async () => {
    await register()
    await start()
    await heard('STARTED')
    await clock.advance(24 * 3_600)
    await heard('STATUS_CHANGED')
    await clock.advance(4 * 24 * 3_600)
    await heard('DELETED')
  })

  it('and so is what another program writes that says NOTIFY waymark_feed', async () => {
    await register()
    await writer.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('${userId}', '${userId}', now()); NOTIFY waymark_feed`,
    )
    await heard('STARTED')
  })

  async function now(): Promise<string> {
    const [row] = await writer.database.query<{ now: Date }>('SELECT crawler.clock() AS now')
    return row?.now.toISOString() ?? ''
  }
})

it('a write through this API is told at once on its own replica also while that can’t listen', async () => {
  await using database = await createTestDatabase()
  await database.query(`INSERT INTO public."user" VALUES ('alice')`)
  const log = pino({ level: 'silent' })
  const pool = openDatabase({
    url: database.url,
    poolSize: 2,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 5_000,
    log,
  })
  const deaf = { ...pool, connect: () => Promise.reject(new Error('too many connections')) }
  const feed = await startFeed(deaf, log, { tickMs: NEVER_MS })
  try {
    const stream = new FeedWatch(feed, feed.position(), (event) => event.sessionId)
    for (const sessionId of ['one', 'two']) {
      const next = stream.next()
      await database.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('${sessionId}', 'alice', now())`,
      )
      feed.announce()
      expect(await next).toEqual({ done: false, value: sessionId })
    }
  } finally {
    await feed.close()
    await pool.close()
  }
})

it('a replica without subscribers leaves NOTIFY alone, and looks as soon as there is one', async () => {
  await using stored = await createTestDatabase()
  const settings = { url: stored.url, poolSize: 2, connectTimeoutMs: 4_000, statementTimeoutMs: 10_000 }
  const database = openDatabase({ ...settings, log: pino({ level: 'silent' }) })
  let looks = 0
  const counting = {
    ...database,
    query: <Row extends pg.QueryResultRow>(statement: Statement) => {
      if (statement.name === 'feed_look') looks += 1
      return database.query<Row>(statement)
    },
  }
  const feed = await startFeed(counting, pino({ level: 'silent' }), { tickMs: NEVER_MS })
  try {
    const listening = () =>
      stored.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'`)
    await expect.poll(listening, within).toHaveLength(1)
    // It looks once when it begins to listen.
    await vi.waitFor(() => expect(looks).toBeGreaterThanOrEqual(2), within)
    const before = looks
    await stored.query(`INSERT INTO public."user" (id) VALUES ('ann')`)
    for (const sessionId of ['s1', 's2', 's3']) {
      await stored.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('${sessionId}', 'ann'); NOTIFY waymark_feed`,
      )
    }
    // A message that came before this answer has been heard: the look that it would cause comes at once.
    await delay(500)
    expect(looks).toBe(before)
    const watch = new FeedWatch(feed, feed.position(), (event) => (event.topic === 'session' ? event.sessionId : ''))
    expect([(await watch.next()).value, (await watch.next()).value, (await watch.next()).value]).toEqual([
      's1',
      's2',
      's3',
    ])
    expect(looks).toBe(before + 1)
    await watch.return()
  } finally {
    await feed.close()
    await database.close()
  }
})
