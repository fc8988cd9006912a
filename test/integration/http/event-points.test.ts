import { createClient as createSocketClient } from 'graphql-ws'
import { createClient } from 'graphql-sse'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createKey } from '../../../src/access/keys.ts'
import type { Database } from '../../../src/database/database.ts'
import { encodeFeedCursor } from '../../../src/events/cursor.ts'
import { readLastGivenEventId, readOutboxState } from '../../../src/events/outbox.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const POINTS = '100'
const SHORT_MINUTE_SECONDS = 2
const WAIT = { timeout: 20_000, interval: 20 }

/** The event, its session, the user, the connection and a page. */
const objectsOf = (first: number) => 4 + first
const selection = (first: number) => `user { sessions(first: ${first}) { nodes { sessionId } } }`
const watching = (userId: string, first: number) =>
  `subscription ($after: String!) { told: sessionStatusChanged(filter: { userId: "${userId}" }, after: $after) {
    sessionId session { ${selection(first)} } } }`
/** Two of them are 80 of 100 points, and two with what it costs to open the stream are too many. */
const LARGE = 36

interface Watch {
  readonly told: { readonly sessionId: string; readonly atMs: number }[]
  readonly codes: string[]
  isOver: boolean
}

type Transport = 'SSE' | 'WebSocket'
const transports: readonly Transport[] = ['SSE', 'WebSocket']

/** A server whose callers have keys, and what they do. */
class World implements AsyncDisposable {
  readonly waymark: TestWaymark
  readonly #database: Database
  readonly #clients: { dispose(): void | Promise<void> }[] = []
  #names = 0

  private constructor(waymark: TestWaymark) {
    this.waymark = waymark
    this.#database = openQuietDatabase(waymark.database.url)
  }

  static async start(rateMinuteSeconds?: number): Promise<World> {
    const settings = { AUTHENTICATION: 'keys', RATE_LIMIT_POINTS_PER_MINUTE: POINTS }
    return new World(await startWaymark(settings, rateMinuteSeconds === undefined ? {} : { rateMinuteSeconds }))
  }

  /** Of a caller that has not asked for anything yet. */
  async makeKey(lifeMs?: number): Promise<string> {
    const now = new Date()
    const expiresAt = lifeMs === undefined ? undefined : new Date(now.getTime() + lifeMs)
    const input = { client: `client-${(this.#names += 1)}`, scopes: ['read'] as const, userIds: undefined, expiresAt }
    const created = await createKey(this.#database, localOperator, input, now)
    if (created instanceof Error) throw created
    return `Bearer ${created.text}`
  }

  /** A user of whom nothing has happened yet. */
  async makeUser(): Promise<string> {
    const userId = `user-${(this.#names += 1)}`
    await this.waymark.database.query('INSERT INTO public."user" (id) VALUES ($1)', [userId])
    return userId
  }

  /** So many events of the user, by another program: they cost no caller anything. @returns the session of each */
  async happen(userId: string, count: number): Promise<string[]> {
    const first = this.#names
    this.#names += count
    const sessionIds = Array.from({ length: count }, (_, n) => `session-${first + n}`)
    await this.waymark.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
        SELECT id, $2, now(), now(), 'completed' FROM unnest($1::text[]) AS id`,
      [sessionIds, userId],
    )
    return sessionIds
  }

  /** Where the feed is now. */
  async cursor(): Promise<string> {
    const { generation } = await readOutboxState(this.#database)
    return encodeFeedCursor({ generation, eventId: await readLastGivenEventId(this.#database) })
  }

  watch(transport: Transport, authorization: string, query: string, after: string): Watch {
    const { url } = this.waymark
    const watch: Watch = { told: [], codes: [], isOver: false }
    const client =
      transport === 'SSE'
        ? createClient({ url, retryAttempts: 0, headers: { authorization } })
        : createSocketClient({
            url: url.replace('http', 'ws'),
            webSocketImpl: WebSocket,
            retryAttempts: 0,
            connectionParams: { authorization },
          })
    this.#clients.push(client)
    const over = () => (watch.isOver = true)
    client.subscribe<{ told: { sessionId: string } }>(
      { query, variables: { after } },
      {
        next: ({ data, errors }) => {
          if (data) watch.told.push({ sessionId: data.told.sessionId, atMs: performance.now() })
          watch.codes.push(...(errors ?? []).map(({ extensions }) => String(extensions?.['code'])))
        },
        error: (error) => {
          watch.codes.push(JSON.stringify(error))
          over()
        },
        complete: over,
      },
    )
    return watch
  }

  async ask(authorization: string, query: string): Promise<string> {
    const response = await fetch(this.waymark.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify({ query }),
    })
    const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] }
    return errors?.[0]?.extensions.code ?? 'OK'
  }

  async leave(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.dispose()
  }

  /** Ends the server while its streams are open. */
  async close(): Promise<void> {
    await this.#database.close()
    await this.waymark[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
    await this.close()
  }
}

const idsOf = ({ told }: Watch) => told.map(({ sessionId }) => sessionId)

describe.each(transports)('events over %s', (transport) => {
  let short: World
  let long: World
  beforeAll(async () => {
    ;[short, long] = await Promise.all([World.start(SHORT_MINUTE_SECONDS), World.start()])
  })
  afterEach(async () => {
    await Promise.all([short.leave(), long.leave()])
  })
  afterAll(async () => {
    await Promise.all([short, long].map((world) => world[Symbol.asyncDispose]()))
  })

  it('come late to a caller who has not the points for them: all of them, and in order', async () => {
    const userId = await short.makeUser()
    const watch = short.watch(transport, await short.makeKey(), watching(userId, LARGE), await short.cursor())
    const sessionIds = await short.happen(userId, 4)
    await expect.poll(() => watch.told.length, WAIT).toBe(4)
    expect(idsOf(watch)).toEqual(sessionIds)
    expect(watch.codes).toEqual([])
    // The last one is of the minute after that of the second one, at the earliest.
    const [first, , , last] = watch.told
    expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(SHORT_MINUTE_SECONDS * 1_000 - 100)
  })

  it('cost points of the same minute as answers, each its objects', async () => {
    const userId = await long.makeUser()
    const key = await long.makeKey()
    const watch = long.watch(transport, key, watching(userId, LARGE), await long.cursor())
    await long.happen(userId, 1)
    await expect.poll(() => watch.told.length, WAIT).toBe(1)
    // 1 and 40 for opening it, and 40 for the event: 19 are left.
    const page = `{ user(userId: "${userId}") { sessions(first: 20) { nodes { sessionId } } } }`
    expect(await long.ask(key, '{ user(userId: "nobody") { userId } }')).toBe('OK')
    expect(await long.ask(key, page)).toBe('RATE_LIMITED')
  })

  it('of a caller without points keep nobody else waiting, who watches the same', async () => {
    const userId = await long.makeUser()
    const query = watching(userId, LARGE)
    const poor = long.watch(transport, await long.makeKey(), query, await long.cursor())
    await long.happen(userId, 1)
    await expect.poll(() => poor.told.length, WAIT).toBe(1)
    const rich = long.watch(transport, await long.makeKey(), query, await long.cursor())
    const [sessionId] = await long.happen(userId, 1)
    await expect.poll(() => idsOf(rich), WAIT).toEqual([sessionId])
    expect(poor.told).toHaveLength(1)
    expect([...poor.codes, ...rich.codes]).toEqual([])
  })

  it('cost a caller whose streams select the same their objects once, and a point for each further stream', async () => {
    const userId = await long.makeUser()
    const [key, after] = [await long.makeKey(), await long.cursor()]
    const size = 6
    const watches = [1, 2, 3].map(() => long.watch(transport, key, watching(userId, size), after))
    // 33 for opening the three streams, and 12 an event. Paid by each stream it would be 30 an event.
    for (let told = 1; told <= 3; told += 1) {
      await long.happen(userId, 1)
      await expect.poll(() => watches.map((watch) => watch.told.length), WAIT).toEqual([told, told, told])
    }
    expect(await long.ask(key, '{ user(userId: "nobody") { userId } }')).toBe('OK')
    expect(3 * (1 + objectsOf(size)) + 3 * 3 * objectsOf(size)).toBeGreaterThan(Number(POINTS))
  })

  it('that wait for points end at once with their stream: when its key expires', async () => {
    const userId = await long.makeUser()
    const watch = long.watch(transport, await long.makeKey(3_000), watching(userId, LARGE), await long.cursor())
    await long.happen(userId, 3)
    await expect.poll(() => watch.told.length, WAIT).toBe(1)
    await expect.poll(() => watch.isOver, WAIT).toBe(true)
    expect(watch.told).toHaveLength(1)
    expect(watch.codes.join()).toMatch(/UNAUTHENTICATED|4403|4401/)
  })

  it('that wait for points do not keep the server from closing', async () => {
    const closing = await World.start()
    const userId = await closing.makeUser()
    const watch = closing.watch(transport, await closing.makeKey(), watching(userId, LARGE), await closing.cursor())
    await closing.happen(userId, 3)
    await expect.poll(() => watch.told.length, WAIT).toBe(1)
    const since = performance.now()
    await closing.close()
    // Half a minute is less than it would wait for the points.
    expect(performance.now() - since).toBeLessThan(30_000)
    await expect.poll(() => watch.isOver, WAIT).toBe(true)
    expect(watch.told).toHaveLength(1)
    await closing.leave()
  })
})
