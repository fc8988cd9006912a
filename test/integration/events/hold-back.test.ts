import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { clientOf, startOn } from '../../support/waymark.ts'
import { startOwnPostgres } from '../../e2e/own-postgres.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { type OpenFeed, openFeed } from './open-feed.ts'
import type { FeedEvent } from '../../../src/events/outbox.ts'
import { openStream } from './sse.ts'

const within = { timeout: 20_000 }

let open: OpenFeed
let told: readonly FeedEvent[]
const clients: pg.Client[] = []

/** A transaction that has begun, and stays open until the test says so. */
async function begin(url: string, applicationName = 'a script'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName })
  // One that the test ends from outside says so by this.
  client.on('error', () => undefined)
  clients.push(client)
  await client.connect()
  await client.query('BEGIN')
  return client
}

function startSession(client: { query(sql: string): Promise<unknown> }, sessionId: string): Promise<unknown> {
  return client.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('${sessionId}', 'alice', now())`,
  )
}

const names = () => told.map((event) => event.sessionId)
/** A look at the outbox that began after this was called is over. */
async function looked(): Promise<void> {
  const { length } = names()
  const marker = `look-${clients.length}-${length}`
  await startSession(outside, marker)
  open.feed.announce()
  await expect.poll(names, within).toContain(marker)
}
let outside: TestDatabase

describe('a transaction that stays open', () => {
  beforeEach(async () => {
    outside = await createTestDatabase()
    await outside.query(`INSERT INTO public."user" VALUES ('alice')`)
    open = await openFeed(outside.url, { warnAfterMs: 100 })
    told = open.follow()
  })
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()))
    await open[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
  })

  it('and wrote a session holds back what comes after its write, loses none of it, and nothing that came before', async () => {
    await startSession(outside, 'before')
    open.feed.announce()
    await expect.poll(names, within).toEqual(['before'])
    const writer = await begin(outside.url)
    await startSession(writer, 'open')
    for (const late of ['after-1', 'after-2']) {
      await startSession(outside, late)
      open.feed.announce()
    }
    await expect.poll(() => open.feed.state().lagEvents, within).toBe(3)
    expect(open.feed.state()).toMatchObject({ heldBackMs: expect.any(Number) as number })
    expect(names()).toEqual(['before'])

    await writer.query('COMMIT')
    await expect.poll(names, within).toEqual(['before', 'open', 'after-1', 'after-2'])
    await expect.poll(() => open.feed.state(), within).toMatchObject({ heldBackMs: 0, lagEvents: 0 })
  })

  it('holds back nothing of what was looked at before it wrote, also where somebody else was still open then', async () => {
    const first = await begin(outside.url)
    await startSession(first, 'first')
    await startSession(outside, 'between')
    open.feed.announce()
    await expect.poll(() => open.feed.state().lagEvents, within).toBe(2)
    const second = await begin(outside.url)
    await startSession(second, 'second')
    await startSession(outside, 'last')
    open.feed.announce()
    await expect.poll(() => open.feed.state().lagEvents, within).toBe(4)

    await first.query('COMMIT')
    await expect.poll(names, within).toEqual(['first', 'between'])
    expect(open.feed.state().lagEvents).toBe(2)
    await second.query('ROLLBACK')
    await expect.poll(names, within).toEqual(['first', 'between', 'last'])
  })

  it('and has undone what it wrote holds back nothing any more', async () => {
    const writer = await begin(outside.url)
    await writer.query('SAVEPOINT undone')
    await startSession(writer, 'undone')
    await startSession(outside, 'after')
    open.feed.announce()
    await expect.poll(() => open.feed.state().lagEvents, within).toBe(2)
    await writer.query('ROLLBACK TO undone')
    await expect.poll(names, within).toEqual(['after'])
  })

  it('holds back nothing where it only read, wrote other tables, or wrote in another database', async () => {
    const reader = await begin(outside.url)
    await reader.query('SELECT * FROM crawler.feed_event, crawler.crawl_session FOR UPDATE')
    const elsewhere = await begin(outside.url)
    await elsewhere.query(`INSERT INTO public."user" VALUES ('bob')`)
    await using other = await createTestDatabase()
    const neighbour = await begin(other.url)
    await neighbour.query(`INSERT INTO public."user" VALUES ('alice')`)
    await startSession(neighbour, 'of the neighbour')

    await looked()
    await looked()
    expect(open.feed.state()).toMatchObject({ heldBackMs: 0, lagEvents: 0 })
    // Before its database is dropped.
    await neighbour.query('ROLLBACK')
  })

  it('is named in the log with what to do, once, and so is its end', async () => {
    const writer = await begin(outside.url, 'nightly import')
    await startSession(writer, 'open')
    await startSession(outside, 'after')
    open.feed.announce()
    const lines = (level: number) => open.log.filter((line) => line.level === level && 'writer' in line)
    await expect.poll(() => lines(40).length, within).toBe(1)
    const [backend] = (await writer.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows
    const [warning] = lines(40)
    expect(warning).toMatchObject({
      pid: backend?.pid,
      applicationName: 'nightly import',
      state: 'idle in transaction',
      lagEvents: 2,
    })
    expect(warning?.msg).toContain(`pg_terminate_backend(${backend?.pid})`)

    await outside.query(`SELECT pg_terminate_backend(${backend?.pid})`)
    await expect.poll(() => lines(30), within).toMatchObject([{ writer: warning?.['writer'] }])
    await expect.poll(names, within).toEqual(['after'])
    expect(lines(40)).toHaveLength(1)
  })

  it('does not take a server that starts meanwhile back to events of long ago, also where it is the only one', async () => {
    await open[Symbol.asyncDispose]()
    open = await openFeed(outside.url, { noteEachMs: 0 })
    for (const past of ['past-1', 'past-2']) await startSession(outside, past)
    const ofPast = `SELECT max(event_id) AS last, (SELECT final_up_to FROM crawler.feed) AS noted FROM crawler.feed_event`
    const lags = async () => {
      const [row] = await outside.query<{ last: string; noted: string }>(ofPast)
      return Number(row?.last) - Number(row?.noted)
    }
    await expect.poll(lags, within).toBe(0)
    const writer = await begin(outside.url)
    await startSession(writer, 'open')
    await startSession(outside, 'after')
    await expect.poll(() => open.feed.state().lagEvents, within).toBe(2)
    const cursor = open.feed.cursor(open.feed.position())
    await open.feed.close()

    // It finds the transaction open, and waits for it in vain.
    const app = await startOn(outside.url, {}, { startWaitMs: 100 })
    const leave = new AbortController()
    try {
      const { sessions } = await clientOf(app.url).ask('{ sessions(first: 1) { feedCursor } }')
      expect(sessions.feedCursor).toBe(cursor)
      const query = 'subscription { told: sessionStatusChanged { sessionId } }'
      const fromNow = await openStream<{ told: { sessionId: string } }>(app.url, { query }, leave.signal)
      await writer.query('COMMIT')
      const next = async () => (await fromNow.next()).value?.data?.told.sessionId
      expect([await next(), await next()]).toEqual(['open', 'after'])
    } finally {
      leave.abort()
      await app.close()
    }
  })

  it('leaves a replica ready, which tells how long and how many, and starts another one', async () => {
    const writer = await begin(outside.url)
    await startSession(writer, 'open')
    await startSession(outside, 'after')
    // It finds the transaction open, and knows of nothing before it.
    const app = await startOn(outside.url)
    try {
      const ready = async () => {
        const response = await fetch(new URL('/ready', app.url))
        return { status: response.status, body: (await response.json()) as { feed: Record<string, unknown> } }
      }
      const { status, body } = await ready()
      expect(status).toBe(200)
      expect(body).toMatchObject({
        status: 'ok',
        feed: { heldBackMs: expect.any(Number) as number, lagEvents: 2 },
      })
      expect(body.feed['heldBackMs']).toBeGreaterThan(0)
      await writer.query('COMMIT')
      await expect.poll(async () => (await ready()).body.feed, within).toMatchObject({ heldBackMs: 0, lagEvents: 0 })
    } finally {
      await app.close()
    }
  })
})

it('a prepared transaction holds the feed back under the name it had, through a restart of PostgreSQL, and loses nothing', async () => {
  await using postgres = await startOwnPostgres()
  await migrate({ databaseUrl: postgres.url })
  const once = async (sql: string) => {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  await once('ALTER SYSTEM SET max_prepared_transactions = 2')
  await postgres.stop()
  await postgres.start()
  await once(`INSERT INTO public."user" VALUES ('alice')`)
  const asAlice = { query: once }
  await using feed = await openFeed(postgres.url, { warnAfterMs: 100 })
  const events = feed.follow()
  const tell = () => events.map((event) => event.sessionId)

  const writer = await begin(postgres.url)
  await startSession(writer, 'prepared')
  await startSession(asAlice, 'after')
  await expect.poll(() => feed.feed.state().lagEvents, within).toBe(2)
  await writer.query(`PREPARE TRANSACTION 'pending'`)
  await Promise.all(clients.splice(0).map((client) => client.end()))
  const warnings = () => feed.log.filter(({ msg }) => msg.includes(`ROLLBACK PREPARED 'pending'`))
  await startSession(asAlice, 'after the prepare')
  await expect.poll(() => feed.feed.state().lagEvents, within).toBe(3)
  expect(tell()).toEqual([])

  await postgres.kill()
  await postgres.start()
  await startSession(asAlice, 'after the restart')
  await expect.poll(() => feed.feed.state().lagEvents, within).toBeGreaterThan(3)
  await expect.poll(() => warnings().length, within).toBeGreaterThan(0)
  expect(tell()).toEqual([])

  await once(`COMMIT PREPARED 'pending'`)
  await expect.poll(tell, within).toEqual(['prepared', 'after', 'after the prepare', 'after the restart'])
}, 60_000)
