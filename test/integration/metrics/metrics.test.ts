import { request as httpRequest } from 'node:http'
import { createClient, type Client } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { App } from '../../../src/app.ts'
import { type CuttableWay, cuttableWay } from '../http/cuttable-way.ts'
import { controlClock } from '../../support/clock.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { scrape, type Scraped } from '../../support/metrics.ts'
import { clientOf, mutate, operations, startOn, type TestWaymark } from '../../support/waymark.ts'

const POOL_SIZE = 3
const FEED = 'subscription { sessionStatusChanged { __typename } }'

let database: TestDatabase
let app: App
/** To the database. */
let way: CuttableWay
let waymark: Pick<TestWaymark, 'url' | 'send' | 'ask' | 'fail'>
let clock: Awaited<ReturnType<typeof controlClock>>
let users = 0

beforeAll(async () => {
  database = await createTestDatabase()
  clock = await controlClock(database)
  way = await cuttableWay(database.url)
  const url = new URL(database.url)
  url.port = new URL(way.url).port
  app = await startOn(url.toString(), { METRICS_PORT: '0', DATABASE_POOL_SIZE: String(POOL_SIZE) })
  waymark = clientOf(app.url)
})
afterAll(async () => {
  await app.close()
  await way[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

const metricsUrl = () => app.metricsUrl ?? ''
const look = () => scrape(metricsUrl())
async function newUser(): Promise<string> {
  const userId = `user-${(users += 1)}`
  await mutate(waymark, 'registerUser', { userId })
  return userId
}

/** By how much a series grew while something was done: the answer is out before it is counted. */
async function growth(series: string, by: number, act: () => Promise<unknown>): Promise<void> {
  const before = (await look()).get(series)
  expect(before, series).toBeTypeOf('number')
  await act()
  await expect.poll(async () => (await look()).get(series), { timeout: 10_000 }).toBe(Number(before) + by)
}

const requests = (type: string, field: string, outcome: string) =>
  `waymark_requests_total{type="${type}",field="${field}",outcome="${outcome}"}`

describe('GET /metrics', () => {
  it('counts operations by root field and outcome, each root field once, also those inside fragments', async () => {
    await growth(requests('query', 'viewer', 'OK'), 1, () =>
      waymark.ask('{ a: viewer { subject } b: viewer { subject } }'),
    )
    await growth(requests('query', 'users', 'OK'), 1, () =>
      waymark.ask('{ ...F ... { viewer { subject } } } fragment F on Query { users { totalCount } }'),
    )
    await growth(requests('query', 'introspection', 'OK'), 1, () => waymark.ask('{ __typename }'))
    await growth(requests('query', 'users', 'BAD_USER_INPUT'), 1, () =>
      waymark.fail('{ users(first: 100000) { totalCount } }'),
    )
    await growth(requests('mutation', 'registerUser', 'OK'), 1, newUser)
  })

  it('counts what is no operation, or no valid one, under none', async () => {
    await growth(requests('none', 'none', 'BAD_USER_INPUT'), 3, async () => {
      await waymark.send('{ nothing }')
      await waymark.send('{ broken')
      await fetch(waymark.url, { method: 'POST', body: 'query=x' })
    })
  })

  it('measures how long an operation takes', async () => {
    const count = 'waymark_request_duration_seconds_count{type="query",field="streams"}'
    await growth(count, 2, async () => {
      await waymark.ask('{ streams { __typename } }')
      await waymark.ask('{ streams { __typename } }')
    })
    const sum = (await look()).get(count.replace('_count', '_sum'))
    expect(sum).toBeGreaterThan(0)
    expect(sum).toBeLessThan(60)
  })

  it('tells how many saves shared a commit', async () => {
    const userId = await newUser()
    const before = await look()
    await growth('waymark_save_set_size_sum', 20, () =>
      Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          mutate(waymark, 'saveCheckpoint', { userId, stream: `reddit/list-${index}`, itemId: `t3_a${index}` }),
        ),
      ),
    )
    const after = await look()
    const sets = 'waymark_save_set_size_count'
    expect(Number(after.get(sets)) - Number(before.get(sets))).toBeLessThan(20)
    expect(after.get('waymark_save_set_duration_seconds_count')).toBe(after.get(sets))
  })

  it('tells which connections to the database are in use, how many callers wait for one, and who was refused', async () => {
    await waymark.ask('{ users { totalCount } }')
    const refused = requests('query', 'users', 'OVERLOADED')
    const before = await look()
    expect(before.get('waymark_pool_size')).toBe(POOL_SIZE)
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE public."user" IN ACCESS EXCLUSIVE MODE')
      const asked = Promise.all(Array.from({ length: 20 }, () => waymark.send('{ users { totalCount } }')))
      // One or two connections are the server's own.
      const isFull = async () => {
        const metrics = await look()
        const [inUse, waiting, queued] = [
          'waymark_pool_connections{state="in_use"}',
          'waymark_pool_waiting',
          'waymark_queue_waiting{queue="statements"}',
        ].map((series) => Number(metrics.get(series)))
        return [inUse, waiting, queued].every((value = 0) => value >= 1)
      }
      await expect.poll(isFull, { timeout: 10_000 }).toBe(true)
      await asked
      await client.query('ROLLBACK')
    })
    const quiet = async () => (await look()).get('waymark_pool_waiting')
    await expect.poll(quiet, { timeout: 10_000 }).toBe(0)
    const after = await look()
    const grown = (series: string) => Number(after.get(series)) - Number(before.get(series))
    expect(grown(refused)).toBeGreaterThan(0)
    expect(grown('waymark_queue_refused_total{queue="statements"}')).toBe(grown(refused))
  })

  it('tells which streams, sockets and connections are open, by transport, down to none', async () => {
    const open = async () => {
      const metrics = await look()
      return ['waymark_streams{transport="sse"}', 'waymark_streams{transport="websocket"}', 'waymark_websockets'].map(
        (series) => metrics.get(series),
      )
    }
    const userId = await newUser()
    const leave = new AbortController()
    const sockets: Client[] = []
    await growth(requests('subscription', 'sessionStatusChanged', 'OK'), 3, async () => {
      await openEventStream(leave.signal)
      for (let count = 0; count < 2; count += 1) sockets.push(await openWebSocketStream())
    })
    await expect.poll(open, { timeout: 10_000 }).toEqual([1, 2, 2])
    await growth('waymark_stream_events_total{field="sessionStatusChanged"}', 3, () =>
      mutate(waymark, 'startSession', { userId }),
    )
    leave.abort()
    for (const socket of sockets) await socket.dispose()
    await expect.poll(open, { timeout: 10_000 }).toEqual([0, 0, 0])
    expect((await look()).get('waymark_http_connections')).toBeGreaterThanOrEqual(0)
  })

  it('tells how far the feeds are behind, and for how long a transaction has held them back', async () => {
    const userId = await newUser()
    const behind = async () => {
      const metrics = await look()
      const [held, lag] = ['waymark_feed_held_back_seconds', 'waymark_feed_lag_events'].map((name) => metrics.get(name))
      return [Number(held) > 0, Number(lag) > 0]
    }
    await withClient(database.url, async (client) => {
      await client.query('BEGIN')
      await client.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, status) VALUES ($1, $1, now(), 'running')`,
        [userId],
      )
      await mutate(waymark, 'startSession', { userId })
      await expect.poll(behind, { timeout: 10_000 }).toEqual([true, true])
      await client.query('ROLLBACK')
    })
    await expect.poll(behind, { timeout: 10_000 }).toEqual([false, false])
  })

  it('tells the live leases, and what the reaper ended', async () => {
    const userId = await newUser()
    const leases = async () => Number((await look()).get('waymark_leases'))
    const { session } = await mutate(waymark, 'startSession', { userId, stream: 'reddit/saved', leaseSeconds: 10 })
    expect(session).toMatchObject({ status: 'RUNNING' })
    await expect.poll(leases, { timeout: 15_000, interval: 500 }).toBeGreaterThanOrEqual(1)
    await clock.advance(100_000)
    await expect
      .poll(async () => Number((await look()).get('waymark_reaper_ended_sessions_total')), { timeout: 15_000 })
      .toBeGreaterThanOrEqual(1)
    await expect.poll(leases, { timeout: 15_000, interval: 500 }).toBe(0)
    expect((await look()).get('waymark_lease_overdue_seconds')).toBe(0)
  })

  it('tells how late retention is, by kind', async () => {
    const late = async (kind: string) => Number((await look()).get(`waymark_retention_overdue_seconds{kind="${kind}"}`))
    for (const kind of ['revisions', 'sessions', 'keys', 'events']) expect(await late(kind)).toBeGreaterThanOrEqual(0)
  })

  it('says that the database is away, and answers all the same', async () => {
    const up = async () => {
      const metrics = await look()
      return [
        metrics.get('waymark_database_up'),
        metrics.get('waymark_background_failing{task="feed"}'),
        metrics.get('waymark_background_failing{task="reaper"}'),
      ]
    }
    await expect.poll(up, { timeout: 15_000 }).toEqual([1, 0, 0])
    way.cut()
    await expect.poll(up, { timeout: 20_000, interval: 500 }).toEqual([0, 1, 1])
    expect((await look()).get('waymark_leases')).toBeNaN()
    await growth(requests('query', 'users', 'SERVICE_UNAVAILABLE'), 1, () => waymark.fail('{ users { totalCount } }'))
    way.leadTo(database.url)
    await expect.poll(up, { timeout: 20_000, interval: 500 }).toEqual([1, 0, 0])
  })

  it('has the process’s CPU, memory, event-loop lag and garbage collection, and which version runs', async () => {
    const metrics = await look()
    expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(1e7)
    expect(metrics.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
    const info = [...metrics.keys()].filter((series) => series.startsWith('waymark_info'))
    expect(info).toEqual([expect.stringMatching(/^waymark_info\{version="\d+\.\d+\.\d+",node="\d+\.\d+\.\d+"\}$/)])
  })

  it('has the same series after any documents, operation names, users, streams and sessions', async () => {
    await look()
    const before = await look()
    for (let index = 0; index < 200; index += 1) {
      const userId = `canary-${index}`
      await waymark.send(`query Canary${index} { canary${index}: checkpoint(userId: "${userId}") { version } }`)
      await waymark.send(`query { canary${index} }`)
    }
    for (let index = 0; index < 5; index += 1) {
      const userId = `canary-user-${index}`
      await mutate(waymark, 'registerUser', { userId })
      await mutate(waymark, 'saveCheckpoint', { userId, stream: `reddit/canary-${index}`, itemId: 't3_abc' })
      await mutate(waymark, 'startSession', { userId, sessionId: `canary-session-${index}` })
      await waymark.send(operations.saveCheckpoint, { input: { userId, itemId: 'canary' } })
    }
    const after = await look()
    expect(ours(after)).toEqual(ours(before))
    expect([...after.keys()].join('\n')).not.toContain('canary')
    expect(after.size).toBeLessThan(2_000)
  })
})

/** Without Node's own, where the kinds of garbage collection and of resources come as they happen. */
const ours = (metrics: Scraped) => [...metrics.keys()].filter((series) => series.startsWith('waymark_')).sort()

describe('the metrics’ own port', () => {
  it('serves /metrics exactly, by GET and HEAD, and no GraphQL', async () => {
    const { origin } = new URL(metricsUrl())
    const status = async (path: string, method = 'GET') => (await fetch(`${origin}${path}`, { method })).status
    expect(await status('/metrics?x=1')).toBe(200)
    expect(await status('/metrics', 'HEAD')).toBe(200)
    expect(await status('/metrics', 'POST')).toBe(405)
    for (const path of ['/', '/metrics/', '//metrics', '/graphql', '/graphql?x=/metrics', '/health']) {
      expect(await status(path), path).toBe(404)
    }
    expect((await fetch(new URL('/metrics', waymark.url))).status).toBe(404)
  })

  it('is on a loopback address unless told otherwise, where only its own names are served', async () => {
    const { hostname, port } = new URL(metricsUrl())
    expect(hostname).toBe('127.0.0.1')
    const statusFor = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = httpRequest({ host: '127.0.0.1', port, path: '/metrics', agent: false, headers: { host } })
        asked.once('response', (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        asked.once('error', reject).end()
      })
    expect(await statusFor(`evil.example:${port}`)).toBe(421)
    expect(await statusFor(`localhost:${port}`)).toBe(200)
  })

  it('is one clear line where it is taken already', async () => {
    const { port } = new URL(metricsUrl())
    await expect(startOn(database.url, { METRICS_PORT: port })).rejects.toThrow(
      `cannot serve metrics on METRICS_HOST=127.0.0.1 METRICS_PORT=${port} (EADDRINUSE)`,
    )
  })

  it('is not there unless it is asked for', async () => {
    const other = await startOn(database.url)
    try {
      expect(other.metricsUrl).toBeUndefined()
    } finally {
      await other.close()
    }
  })
})

async function openEventStream(signal: AbortSignal): Promise<void> {
  const response = await fetch(waymark.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: FEED }),
    signal,
  })
  expect(response.status).toBe(200)
  response.body?.pipeTo(new WritableStream()).catch(() => undefined)
}

async function openWebSocketStream(): Promise<Client> {
  const client = createClient({ url: waymark.url.replace('http', 'ws'), webSocketImpl: WebSocket, lazy: false })
  client.subscribe({ query: FEED }, { next: () => undefined, error: () => undefined, complete: () => undefined })
  await new Promise((resolve) => client.on('connected', resolve))
  return client
}
