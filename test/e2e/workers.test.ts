import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase, withClient } from '../support/database.ts'
import { scrape } from '../support/metrics.ts'
import { runCommand, type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'

const WAIT = { timeout: 60_000, interval: 100 }
/** Starting a process takes seconds of processor time. */
const START_MS = 100_000

/** Sends an operation over a connection of its own: the workers take connections in turn. */
async function send(url: string, query: string, headers: Record<string, string> = {}) {
  const sending = request(url, {
    agent: false,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
  })
  sending.end(JSON.stringify({ query }))
  const [response] = (await once(sending, 'response')) as [NodeJS.ReadableStream & { statusCode: number }]
  return { status: response.statusCode, body: await text(response) }
}

/** The processes that a process has started and that still run. */
function childrenOf(pid: number | undefined): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const [, state, parent] = /^\d+ \(.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? []
      return Number(parent) === pid && state !== 'Z' ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The processes that answered requests, by the log. */
function pidsOfRequests(server: ServerProcess): Set<number> {
  const lines = server.lines.map(
    (line) => JSON.parse(line) as { pid: number; operation?: unknown; requestId?: unknown },
  )
  return new Set(lines.filter(({ requestId }) => requestId !== undefined).map(({ pid }) => pid))
}

describe.runIf(process.platform === 'linux')('WORKERS=2', { timeout: START_MS }, () => {
  let database: TestDatabase
  let server: ServerProcess
  let metricsUrl = ''
  const workers = () => childrenOf(server.child.pid)
  const everyWorkerAnswers = async () => {
    const { status } = await send(server.url, '{ streams { key } }')
    return status === 200 && workers().every((pid) => pidsOfRequests(server).has(pid))
  }

  beforeAll(async () => {
    database = await createTestDatabase()
    server = await startServer({ DATABASE_URL: database.url, WORKERS: '2', METRICS_PORT: '0' })
    metricsUrl = /metrics at (http:[^;)]+)/.exec(server.lines.join('\n'))?.[1] ?? ''
  }, START_MS)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('serves one port from two processes, whose metrics are those of one server', async () => {
    for (let sent = 0; sent < 20; sent += 1) {
      expect(await send(server.url, '{ streams { key } }')).toMatchObject({ status: 200 })
    }
    await expect.poll(() => [...pidsOfRequests(server)].sort(), WAIT).toEqual(workers().sort())

    const scraped = await scrape(metricsUrl)
    const requests = [...scraped].filter(([series]) => series.startsWith('waymark_requests_total'))
    expect(requests.reduce((sum, [, count]) => sum + count, 0)).toBe(20)
    expect(scraped.get('waymark_pool_size')).toBe(20)
    // They are told by each worker, and true of the whole server.
    expect(scraped.get('waymark_database_up')).toBe(1)
    expect(scraped.get('waymark_leases')).toBe(0)
    expect([...scraped].filter(([series]) => series.startsWith('waymark_info{')).map(([, value]) => value)).toEqual([1])
  })

  it('tells a subscriber of one worker what was written by another', async () => {
    const client = clientOf(server.url)
    await mutate(client, 'registerUser', { userId: 'ada' })
    const leave = new AbortController()
    const stream = await fetch(server.url, {
      method: 'POST',
      signal: leave.signal,
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({
        query: 'subscription { checkpointChanged { lastItemId } }',
      }),
    })
    let told = ''
    const reading = stream.body
      ?.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (chunk) => void (told += chunk) }), { signal: leave.signal })
    for (let save = 1; save <= 4; save += 1) {
      const mutation = `mutation { saveCheckpoint(input: { userId: "ada", stream: "twitter/bookmarks", itemId: "${100 + save}" }) { __typename } }`
      expect((await send(server.url, mutation)).body).toContain('SaveCheckpointSuccess')
    }
    await expect.poll(() => [101, 102, 103, 104].filter((id) => told.includes(`"${id}"`)), WAIT).toHaveLength(4)
    leave.abort()
    await reading?.catch(() => undefined)
  })

  const replaced = () => server.lines.filter((line) => line.includes('a worker took the place')).length

  it('goes on where a worker is killed, and puts another in its place', async () => {
    const [killed = 0, other = 0] = workers()
    process.kill(killed, 'SIGKILL')
    await expect.poll(replaced, WAIT).toBe(1)
    expect(workers()).toContain(other)
    const ended = server.lines.filter((line) => line.includes('a worker ended'))
    expect(ended.map((line) => JSON.parse(line) as object)).toMatchObject([{ worker: killed, reason: 'SIGKILL' }])
    await expect.poll(everyWorkerAnswers, WAIT).toBe(true)
  })

  it('puts another in the place of one that is asked to stop alone', async () => {
    process.kill(workers()[0] ?? 0, 'SIGTERM')
    await expect.poll(replaced, WAIT).toBe(2)
    await expect.poll(everyWorkerAnswers, WAIT).toBe(true)
  })

  it('serves the same port again where all workers are killed at once', async () => {
    for (const pid of workers()) process.kill(pid, 'SIGKILL')
    await expect.poll(replaced, WAIT).toBe(4)
    await expect.poll(everyWorkerAnswers, WAIT).toBe(true)
  })

  it('finishes what it has begun when it is told to stop, and leaves no process behind', async () => {
    const all = workers()
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.crawl_state IN ACCESS EXCLUSIVE MODE')
      const save = `mutation { saveCheckpoint(input: { userId: "ada", stream: "reddit/saved", itemId: "t3_1" }) { __typename } }`
      const answers = [send(server.url, save), send(server.url, save)]
      const waiting = `SELECT count(*)::int FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
      await expect
        .poll(async () => (await client.query<{ count: number }>(waiting)).rows[0]?.count, WAIT)
        .toBeGreaterThan(0)
      server.child.kill('SIGTERM')
      const stopping = (pid: number | undefined) => (line: string) =>
        line.includes(`"pid":${pid}`) && line.includes('"stopping"')
      await expect
        .poll(() => [server.child.pid, ...all].every((pid) => server.lines.some(stopping(pid))), WAIT)
        .toBe(true)
      await client.query('ROLLBACK')
      for (const answer of await Promise.all(answers)) {
        expect(answer.body).toMatch(/SaveCheckpointSuccess|SERVICE_UNAVAILABLE/)
      }
    })
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(all.filter(isRunning)).toEqual([])
  })
})

describe.runIf(process.platform === 'linux')('WORKERS=2 with limits', { timeout: START_MS }, () => {
  let database: TestDatabase
  let server: ServerProcess
  let authorization = ''
  const createKey = async (client: string) => {
    const { stdout } = await runCommand(['key', 'create', client, '--scopes', 'read'], { DATABASE_URL: database.url })
    return `Bearer ${stdout.trim()}`
  }

  beforeAll(async () => {
    database = await createTestDatabase()
    authorization = await createKey('watcher')
    server = await startServer({
      DATABASE_URL: database.url,
      WORKERS: '2',
      AUTHENTICATION: 'keys',
      MAX_STREAMS_PER_CALLER: '3',
      RATE_LIMIT_POINTS_PER_MINUTE: '20000',
    })
  }, START_MS)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  /** Opens subscriptions at the same moment, each over a connection of its own. */
  async function open(count: number) {
    const query = 'subscription { checkpointChanged { cursor } }'
    const opened = Array.from({ length: count }, async () => {
      const sending = request(server.url, {
        agent: false,
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization },
      })
      sending.on('error', () => undefined)
      sending.end(JSON.stringify({ query }))
      const [{ statusCode }] = (await once(sending, 'response')) as [{ statusCode: number }]
      return { statusCode, close: () => sending.destroy() }
    })
    return Promise.all(opened)
  }

  it('counts the streams of a caller over all workers, also after one of them was killed', async () => {
    const first = await open(8)
    const statuses = (streams: typeof first) => streams.map(({ statusCode }) => statusCode).sort()
    expect(statuses(first)).toEqual([200, 200, 200, 429, 429, 429, 429, 429])
    for (const { close } of first) close()
    const reopened = async () => {
      const again = await open(3)
      for (const { close } of again) close()
      return statuses(again)
    }
    await expect.poll(reopened, WAIT).toEqual([200, 200, 200])
    await expect.poll(async () => statuses(await open(1)), WAIT).toEqual([200])
    for (const pid of childrenOf(server.child.pid)) process.kill(pid, 'SIGKILL')
    await expect.poll(reopened, WAIT).toEqual([200, 200, 200])
  })

  it('counts the points of a caller over all workers', async () => {
    const reader = { authorization: await createKey('reader') }
    // 1 for the operation, 100 for the users, and 20 for the checkpoints of each.
    const query = '{ users(first: 100) { nodes { checkpoints { stream } } } }'
    const statuses: number[] = []
    while (statuses.length < 20) statuses.push((await send(server.url, query, reader)).status)
    // Two that count alone would serve 18.
    expect(statuses).toEqual([...Array<number>(9).fill(200), ...Array<number>(11).fill(429)])
  })
})

describe('WORKERS', () => {
  it(
    'keeps one embedded database, and ends with the process that was started, also by kill -9',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'waymark-workers-'))
      // As root PostgreSQL runs as another user, who must be able to pass.
      await chmod(folder, 0o755)
      const dataDir = join(folder, 'data')
      try {
        await using server = await startServer({ DATA_DIR: dataDir, WORKERS: '2' })
        expect(server.lines.join('\n')).toContain(`2 workers; embedded PostgreSQL in ${dataDir}`)
        const client = clientOf(server.url)
        await mutate(client, 'registerUser', { userId: 'ada' })
        const answers = await Promise.all(
          [1, 2, 3, 4].map(() => send(server.url, '{ user(userId: "ada") { userId } }')),
        )
        expect(answers.map(({ body }) => body)).toEqual(Array(4).fill('{"data":{"user":{"userId":"ada"}}}'))
        const { port } = new URL(server.url)
        server.child.kill('SIGKILL')
        const isListening = () =>
          new Promise<boolean>((resolve) => {
            const socket = connect(Number(port), '127.0.0.1')
            socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
            socket.on('connect', () => socket.destroy())
          })
        await expect.poll(isListening, WAIT).toBe(false)
        // The next start finds the same data.
        await using again = await startServer({ DATA_DIR: dataDir })
        expect((await send(again.url, '{ user(userId: "ada") { userId } }')).body).toContain('"ada"')
        again.child.kill('SIGTERM')
        await again.exited
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
    START_MS,
  )

  it.each([
    [{ WORKERS: '0' }, /^waymark: bad setting: WORKERS: .*\n$/],
    [{ WORKERS: 'two' }, /^waymark: bad setting: WORKERS: must be a whole number.*\n$/],
    [{ WORKERS: '20' }, /^waymark: WORKERS=20 with DATABASE_POOL_SIZE=10 needs 240 connections, .*\n$/],
  ])('%j is refused in one line', async (settings, line) => {
    expect(await runCommand(['serve'], { DATA_DIR: '/nowhere', ...settings })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(line) as string,
    })
  })

  it(
    'with a port that is in use are refused in one line, and leave no process behind',
    async () => {
      await using database = await createTestDatabase()
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      const { port } = taken.address() as AddressInfo
      const refused = await runCommand(['serve'], { DATABASE_URL: database.url, WORKERS: '3', PORT: String(port) })
      taken.close()
      expect(refused).toMatchObject({
        code: 2,
        stderr: `waymark: PORT=${port} is in use on 127.0.0.1: stop the other program or set PORT.\n`,
      })
    },
    START_MS,
  )
})
